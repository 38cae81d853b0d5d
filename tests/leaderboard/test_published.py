import re

import pytest

from benchmarks.tasks import SUITES, TASKS, made_with_dataset
from leaderboard.published import printed_in, published_facts, reported_rows
from metrics.protocols import PROTOCOLS

ALL = reported_rows(list(TASKS))


def value_of(label, task, metric, supervision="unsup"):
    (row,) = [
        row for row in ALL if (row.label, row.task, row.metric, row.supervision) == (label, task, metric, supervision)
    ]
    return row.value


def test_cells_of_every_table_are_where_the_paper_has_them():
    assert value_of("Stable Keypoints", "celeba_aligned", "IOD%") == 3.60
    assert value_of("Stable Keypoints", "celeba_wild_k4", "IOD%") == 5.24
    assert value_of("Stable Keypoints", "celeba_wild_k8", "IOD%") == 4.35
    assert value_of("AutoLink, thickness tuned (2022)", "celeba_wild_k8", "IOD%") == 5.24
    assert value_of("SCOPS (2019)", "cub_001", "norm L2%", "GT silhouette") == 18.3
    assert value_of("SCOPS (2019)", "cub_001", "norm L2%", "saliency") == 18.5
    assert value_of("Stable Keypoints", "cub_all", "norm L2%") == 5.4
    assert value_of("Lorenz (2019)", "human36m", "L2") == 2.79
    assert value_of("Stable Keypoints", "deepfashion", "PCK%") == 70
    assert value_of("AutoLink", "taichi_to_human36m_unaligned", "L2") == 16.92
    assert value_of("Stable Keypoints", "cub_aligned_to_taichi", "Cum") == 317.94
    assert value_of("Stable Keypoints", "celeba_wild_to_taichi", "Rel") == 8.6
    assert value_of("AutoLink", "celeba_wild_to_cub_all", "norm L2%") == 22.56


def test_every_row_of_the_comparison_tables_finds_its_task_and_no_other_row_does():
    compared = [fact for fact in published_facts() if fact["table"] in ("1", "2", "3", "5", "text")]
    others = {(row.method, row.task, row.metric) for row in ALL if row.task in ("mafl_k50", "cub_parts_k16")}
    assert len(ALL) == len(compared) + 4 == 126
    assert others == {
        ("thewlis2019", "mafl_k50", "IOD%"),
        ("xia2025", "cub_parts_k16", "NMI"),
        ("xia2025", "cub_parts_k16", "ARI"),
    }
    everywhere = {task for suite in SUITES.values() for task in suite.tasks}
    own = {f"celeba_wild_{name}" for name in ("k8_fit5", "k8_fit10", "k8_fit30", "k10", "k16", "k30")}
    own |= {task for name in ("parts", "mafl", "mafl_68") for task in SUITES[name].tasks}
    assert everywhere - {row.task for row in ALL} == own - {"mafl_k50", "cub_parts_k16"}
    assert {row.task for row in ALL} <= everywhere
    assert not {row.label for row in ALL} & {"Full", "Mallis"}
    assert not [row for row in ALL if "without" in row.label]


@pytest.mark.parametrize("fact", published_facts(), ids=lambda fact: "-".join(list(fact.values())[:6]))
def test_every_row_says_what_made_it_how_that_is_known_and_what_differs(fact):
    assert fact["basis"] in ("code", "reproduced", "inferred", "unknown")
    assert fact["unit"]
    assert fact["differs"]
    assert (fact["basis"] == "unknown") <= (fact["protocol"] == "as printed")
    if fact["protocol"] != "as printed":
        protocol = PROTOCOLS[fact["protocol"]]
        assert fact["unit"] == protocol.unit
        assert protocol.higher_is_better == (fact["metric"] == "PCK%")
        if fact["protocol"] not in TASKS[fact["task"]].protocols:  # measured on another annotation of the images
            assert protocol.num_landmarks
            assert f"over {protocol.num_landmarks} landmarks" in fact["differs"]


def test_backward_errors_of_faces_say_over_how_many_landmarks_they_are():
    backward = [fact for fact in published_facts() if fact["metric"] == "backward NME %"]
    rows = [fact for fact in backward if fact["task"] == "celeba_aligned"]
    assert (len(rows), len(backward)) == (9, 40)
    assert all("not the same quantity" in row["differs"] for row in backward)
    for row in rows:
        assert "backward errors over 5 and over 68 landmarks are not the same quantity" in row["differs"]
        assert row["differs"].startswith(("over 5 landmarks", "over 68 landmarks", "5 or 68 landmarks: not stated"))
    known = {row["system"]: row["protocol"] for row in rows if row["protocol"] != "as printed"}
    assert known == {
        "sanchez2019": "sanchez/backward",
        "awan2023": "sanchez/backward",
        "mallis2020": "sanchez/backward_mallis",
    }


def test_tai_chi_says_which_of_its_two_metrics_a_row_is():
    cumulative = {row.label: row for row in ALL if row.task == "taichi" and row.metric == "Cum"}
    assert cumulative.pop("Stable Keypoints").protocol == "sk_released/cumulative"
    assert len(cumulative) == 8
    assert {row.protocol for row in cumulative.values()} == {"siarohin/cumulative"}
    assert all("absolute errors" in str(row.note) for row in cumulative.values())


def test_a_family_brings_only_rows_that_it_made_with_whatever_solver():
    own = reported_rows(["taichi", "cub_all"], "sk")
    assert {(row.label, row.metric) for row in own} == {
        ("Stable Keypoints", "Cum"),
        ("Stable Keypoints", "Rel"),
        ("Stable Keypoints", "norm L2%"),
    }
    assert {row.protocol for row in reported_rows(list(TASKS), "siarohin/cumulative")} == {"siarohin/cumulative"}
    assert reported_rows(list(TASKS), "all") == ALL
    assert reported_rows(list(TASKS), "strict") == []


def test_the_released_protocol_that_a_row_carries_finds_it_too():
    (row,) = reported_rows(["taichi"], "sk_released/cumulative")
    assert row.printed == "234.89"
    assert {row.protocol for row in reported_rows(["celeba_wild_k4"], "autolink_released")} == {
        "autolink_released/interocular"
    }


def test_what_a_note_extrapolates_follows_from_its_value():
    notes = [fact for fact in published_facts() if "extrapolated" in fact["differs"]]
    assert {fact["value"] for fact in notes} == {"234.89", "317.94"}
    for fact in notes:
        low, high = re.findall(r"(\d{3}) to (\d{3})", fact["differs"])[0]
        assert float(fact["value"]) * 1.31 == pytest.approx(float(low), abs=1)
        assert float(fact["value"]) * 1.37 == pytest.approx(float(high), abs=1)


def test_human36m_pixels_and_percent_are_told_apart():
    units = {row.label: row.unit for row in ALL if row.task == "human36m"}
    assert units.pop("Stable Keypoints") == "px@128"
    assert set(units.values()) == {"% side"}


def test_printed_relative_errors_of_tai_chi_are_the_cumulative_ones_rescaled():
    pairs: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in ALL:
        if row.metric in ("Cum", "Rel") and row.task.endswith("taichi"):
            pairs.setdefault((row.label, row.supervision, row.task), {})[row.metric] = float(str(row.printed))
    complete = [pair for pair in pairs.values() if len(pair) == 2]
    assert len(complete) == 11
    for pair in complete:
        assert pair["Cum"] / (2 * 5020 / 300) == pytest.approx(pair["Rel"], abs=0.00501)


def test_labels_have_years_in_place_of_references_and_stay_distinct():
    facts = published_facts()
    assert not [fact["label"] for fact in facts if "[" in fact["label"]]
    keys = [
        tuple(fact[name] for name in ("system", "label", "supervision", "task", "metric", "table")) for fact in facts
    ]
    by_label = {(label, *rest): system for system, label, *rest in keys}
    assert len(by_label) == len(set(keys)) == len(facts)


def test_the_gains_that_tourani_et_al_print_follow_from_their_rows():
    later = [fact for fact in published_facts() if fact["table"] == "later"]
    values = {(fact["system"], fact["task"], fact["metric"][0]): float(fact["value"]) for fact in later}
    assert len(values) == len(later) == 9 * 8 + 4 * 2
    printed = {
        "celeba_aligned": (4.56, 5.75),
        "aflw": (5.47, 2.20),
        "ls3d": (4.58, 4.21),
        "cats": (6.92, 3.52),
        "300vw": (10.29, 5.58),
    }
    for task, gains in printed.items():
        for direction, gain in zip("fb", gains, strict=True):
            before, after = (values[system, task, direction] for system in ("tourani2024", "tourani2025"))
            assert 100 * (1 - after / before) == pytest.approx(gain, abs=0.02)


def test_tasks_of_rows_are_tasks_or_said_to_be_none():
    tasks = {fact["task"] for fact in published_facts()}
    made = {task for task in tasks - set(TASKS) if made_with_dataset(task)}
    assert made == {
        *("aflw_recrops_k50", "aflw_mtfl_k50", "celeba_wild_lists_k16"),
        *("nabirds_k4", "nabirds_k8", "nabirds_k11"),
    }
    # No number of keypoints, no partition of AFLW, or no dataset.
    assert tasks - set(TASKS) - made == {"cats", "aflw", "ls3d", "300w", "300vw"}


def test_where_a_value_is_printed_is_said():
    own = next(fact for fact in published_facts() if fact["system"] == "xia2025")
    assert printed_in(own) == "MPAE README"
    fact = next(fact for fact in published_facts() if fact["table"] == "later")
    assert (printed_in(fact), printed_in({"table": "2"})) == ("a later paper", "table 2")
