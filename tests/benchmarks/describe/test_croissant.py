"""Cards as Croissant 1.1: the structure that its specification asks for."""

import json

import pytest

from benchmarks.describe.croissant import _CONTEXT, VERSION, dataset_croissant
from benchmarks.errors import UserError
from benchmarks.registry import DATASETS, open_dataset

KINDS = {"sc:Text": str, "sc:Integer": int}


@pytest.mark.parametrize("name", list(DATASETS.entries))
def test_every_dataset_has_a_description(name):
    found, card = json.loads(dataset_croissant(name, None)), open_dataset(name, None).card
    assert found["@context"]["cr"] == "http://mlcommons.org/croissant/"
    assert found["@context"]["conformsTo"] == "dct:conformsTo"
    assert (found["@type"], found["conformsTo"]) == ("sc:Dataset", VERSION) and VERSION.endswith("/1.1")
    assert (found["name"], found["citeAs"]) == (card.id, card.citation)
    assert found["license"] == {"@type": "sc:CreativeWork", "name": card.licence}
    assert found["description"].startswith(card.title)
    assert not {"creator", "datePublished"} & found.keys()  # a card does not know them
    assert found.get("url", "https://").startswith("https://") and " " not in found.get("url", "")
    ids = [each["@id"] for each in [*found.get("distribution", ()), *found["recordSet"]]]
    for records in found["recordSet"]:
        assert records["@type"] == "cr:RecordSet"
        fields = {field["@id"]: KINDS[field["dataType"]] for field in records["field"]}
        ids += fields
        assert all(name.startswith(f"{records['@id']}/") for name in fields)
        for row in records["data"]:
            assert {place: type(value) for place, value in row.items()} == fields
    assert len(set(ids)) == len(ids)
    known = {*_CONTEXT, "@context", "@type", "name", "alternateName", "description", "license", "keywords", "url"}
    assert found.keys() <= known | {"distribution"}


def test_rows_are_those_of_the_card():
    found = json.loads(dataset_croissant("cub_001", None))
    card = open_dataset("cub_001", None).card
    tables = {each["@id"]: each["data"] for each in found["recordSet"]}
    assert [row["landmarks/name"] for row in tables["landmarks"]] == list(card.landmark_names)
    assert {row["splits/name"]: row["splits/images"] for row in tables["splits"]} == card.counts


def test_a_file_is_named_where_the_licence_allows_its_download():
    downloads = 0
    for name in DATASETS.entries:
        card, found = open_dataset(name, None).card, json.loads(dataset_croissant(name, None))
        assert ("distribution" in found) == (card.archive is not None)
        if card.archive:
            (file,) = found["distribution"]
            assert (file["@type"], file["contentUrl"], file["sha256"]) == (
                "cr:FileObject",
                card.archive.url,
                card.archive.sha256,
            )
            assert file["encodingFormat"].startswith("application/")
            downloads += 1
    assert downloads


@pytest.mark.parametrize("name", ["stable_keypoints", "wild", "nonsense", "cub_01"])
def test_what_is_no_dataset_is_refused(name):
    with pytest.raises(UserError, match="dataset"):
        dataset_croissant(name, None)
