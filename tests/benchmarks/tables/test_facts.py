"""Facts of registered methods and datasets in rows: training data, other data, another source."""

from __future__ import annotations

import pytest

from benchmarks.records.digests import source_digests
from benchmarks.registry import open_dataset
from benchmarks.tables.facts import with_facts
from leaderboard.records import Digests
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record

SD = {"preset": "paper", "model": "stable-diffusion-v1-5/stable-diffusion-v1-5"}


def row_of(task, method="stable_keypoints", profile="paper", **changes):
    made = record(method, task, 7.0, profile=profile, **changes)
    (found,) = [row for row in with_facts(rows([made], [task], profile)) if row.kind == "trained"]
    return found


@pytest.mark.parametrize(
    ("dataset", "answer"),
    [
        ("celeba_wild", "may contain"), ("cub_all", "may contain"), ("deepfashion", "may contain"),
        ("taichi", "not known"), ("coco:birds.json", "not known"), ("mini_cub_all", "no"),
    ],
)  # fmt: skip
def test_laion_may_contain_photographs_of_the_web(dataset, answer):
    found = row_of("cub_all", dataset=dataset, method_config=SD)
    assert (found.frozen_data, found.frozen_labels, found.test_in_frozen_data) == ("LAION-2B", "captions", answer)


def test_the_mini_model_saw_drawings_of_no_dataset():
    found = row_of("cub_all", profile="mini", method_config={"model": "mini"})
    assert found.frozen_data == "drawings of the synthetic world"
    assert found.test_in_frozen_data == "no"


@pytest.mark.parametrize("method", ["imm", "autolink"])
def test_features_of_a_loss_are_chosen_by_the_setting(method):
    def frozen(**settings):
        found = row_of("cub_all", method, dataset="cub_all", method_config=settings)
        return found.frozen_data, found.test_in_frozen_data

    assert frozen(features="vgg16") == ("ImageNet", "may contain")
    assert frozen(features="pixels") == ("none", "no")
    assert frozen(features="mini_vae") == ("drawings of the synthetic world", "no")
    assert frozen(features="vgg16", features_weights="/some/file.pth") == (None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"method_config": {"model": "some/other"}},
        {"method_config": {"no_such_setting": 1}},
        {"method": "not_installed"},
    ],
)
def test_what_is_not_known_is_a_dash(changes):
    assert row_of("cub_all", **changes).frozen_data is None


def test_a_method_without_frozen_parameters_has_no_frozen_data():
    counted = {"parameters": {"own": 36, "frozen": 0}}
    assert row_of("cub_all", method="not_installed", provenance=counted).frozen_data == "none"
    assert (
        row_of("cub_all", method="not_installed", provenance={"parameters": {"own": 36, "frozen": 5}}).frozen_data
        is None
    )


def test_a_table_names_the_tasks_whose_images_may_be_among_the_data():
    made = [record("stable_keypoints", task, 7.0, profile="paper", dataset=task, method_config=SD)
            for task in ("cub_all", "taichi")]  # fmt: skip
    found = [row for row in with_facts(rows(made, ["cub_all", "taichi"], "paper")) if row.kind == "trained"]
    assert (
        "LAION-2B (may contain the test images of cub_all; not known whether with the test images of taichi)"
        in render(found, columns=["frozen_data"])
    )


def test_another_source_is_flagged():
    same, other = source_digests("grid"), {"methods/floors.py": "0" * 64}
    assert row_of("cub_all", "grid", digests=Digests(source=same)).flags == []
    assert row_of("cub_all", "grid", digests=Digests(source=other)).flags == ["other_source"]
    assert row_of("cub_all", "grid").flags == []


@pytest.mark.parametrize("split", ["regress", "test"])
def test_digests_that_are_not_the_cards_are_flagged(split):
    references = {str(name): digest for name, digest in open_dataset("taichi", None).card.digests.items()}
    assert split in references

    def flags(**digests):
        return row_of(
            "taichi", "grid", dataset="taichi", fit_dataset="taichi", dataset_digests=references | digests
        ).flags

    assert flags() == []
    assert flags(**{split: "0" * 64}) == ["other_data"]


def test_the_digest_of_the_fit_split_is_that_of_the_dataset_learned_on():
    fit = open_dataset("taichi", None).card.digests["fit"]
    made = {"dataset": "mini_cub_all", "fit_dataset": "taichi"}  # no references of the synthetic world
    assert row_of("cub_all", "grid", dataset_digests={"fit": fit, "test": "x"}, **made).flags == []
    assert row_of("cub_all", "grid", dataset_digests={"fit": "0" * 64, "test": "x"}, **made).flags == ["other_data"]
