"""The objects fit version 0.2.2 of the schema: its required fields, types and enumerations are written down here."""

import json

import pytest

from leaderboard.errors import LeaderboardError
from leaderboard.exports.every_eval_ever import to_every_eval_ever
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record

DETAILS = {"additional_details": {str: str}}
LOG = {
    "schema_version": str,
    "evaluation_id": str,
    "retrieved_timestamp": str,
    "source_metadata": {
        "source_name": str,
        "source_type": {"documentation", "evaluation_run"},
        "source_organization_name": str,
        "evaluator_relationship": {"first_party", "third_party", "collaborative", "other"},
    },
    "model_info": {"name": str, "id": str, **DETAILS},
    "eval_library": {"name": str, "version": str},
    "evaluation_results": [
        {
            "evaluation_name": str,
            "source_data": {"dataset_name": str, "source_type": {"other"}},
            "metric_config": {
                "lower_is_better": bool,
                "?metric_id": str,
                "?metric_name": str,
                "?metric_unit": str,
                **DETAILS,
            },
            "score_details": {
                "score": float,
                "details": {str: str},
                "?uncertainty": {
                    "confidence_interval": {
                        "lower": float,
                        "upper": float,
                        "confidence_level": float,
                        "method": str,
                    },
                    "num_samples": int,
                },
            },
        }
    ],
}


def fits(value, wanted, place="log"):
    """Compare an object with the fields above: all of them, those with ? optional, and no other."""
    if isinstance(wanted, dict) and str in wanted:
        assert all(isinstance(each, str) for pair in value.items() for each in pair), place
    elif isinstance(wanted, dict):
        needed = {name for name in wanted if not name.startswith("?")}
        known = {name.removeprefix("?"): each for name, each in wanted.items()}
        assert needed <= value.keys() <= known.keys(), place
        for name, each in value.items():
            fits(each, known[name], f"{place}.{name}")
    elif isinstance(wanted, list):
        assert isinstance(value, list) and value, place
        for each in value:
            fits(each, wanted[0], place)
    elif isinstance(wanted, set):
        assert value in wanted, place
    else:
        assert type(value) is wanted, place


@pytest.mark.parametrize("profile", ["mini", "paper"])
def test_objects_fit_the_schema(profile):
    records = [
        record("alpha", "cub_001", 4.0),
        record("alpha", "cub_002", 5.0),
        record("grid", "cub_001", 9.0, score={"ci_low": None, "ci_high": None}),
        record("broken", "cub_001", None),
    ]
    text = render(rows(records, ["cub_001", "cub_002"], profile), "every-eval-ever")
    found = [json.loads(line) for line in text.splitlines()]
    for each in found:
        fits(each, LOG)
        assert each["schema_version"] == "0.2.2"
        assert int(each["retrieved_timestamp"]) > 10**9
    ids = [each["evaluation_id"] for each in found]
    assert len(set(ids)) == len(ids)
    if profile == "mini":
        assert {each["model_info"]["name"] for each in found} == {"Alpha", "Grid"}
        (alpha,) = (each for each in found if each["model_info"]["name"] == "Alpha")
        assert [each["score_details"]["score"] for each in alpha["evaluation_results"]] == [4.0, 5.0]
        assert alpha["evaluation_results"][0]["score_details"]["uncertainty"]["confidence_interval"]["lower"] == 3.5
    else:
        assert {each["source_metadata"]["source_type"] for each in found} == {"documentation"}


def test_the_same_results_have_the_same_id():
    found = rows([record("alpha", "cub_001", 4.0)], ["cub_001"], "mini")
    one, other = (json.loads(to_every_eval_ever(found, now)) for now in (1.0, 2.0))
    assert one.pop("retrieved_timestamp") != other.pop("retrieved_timestamp")
    assert one == other


def test_pairs_have_no_score_of_their_own():
    from leaderboard.tables import TABLES

    records = [record(name, task, 4.0) for name in ("alpha", "grid") for task in ("cub_aligned", "cub_all")]
    pairs = TABLES["pairs"].rows(records, ["cub_aligned", "cub_all"], "mini")
    assert pairs
    with pytest.raises(LeaderboardError, match="no score of their own"):
        render(pairs, "every-eval-ever")
