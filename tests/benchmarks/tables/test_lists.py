"""The generated lists of the documents."""

import pytest

from benchmarks.tables.lists import LISTS
from benchmarks.tasks import SUITES, TASKS
from datasets import DATASETS, SOURCES
from leaderboard.literature import systems
from methods import METHODS
from methods.adapters import FORMATS
from metrics.protocols import PROTOCOLS

NAMES = {
    ("methods", "baselines"): set(METHODS),
    ("datasets", "mini_datasets"): set(DATASETS),
    ("sources",): {f"{name}:" for name in SOURCES},
    ("tasks",): set(TASKS),
    ("suites",): set(SUITES),
    ("protocols",): set(PROTOCOLS),
    ("formats",): set(FORMATS),
    ("systems",): set(systems()),
}


def cells(name):
    """The cells of a table, without its header and the rule below it."""
    return [[cell.strip() for cell in line.split(" | ")] for line in LISTS[name]().splitlines()[2:]]


@pytest.mark.parametrize(("lists", "names"), NAMES.items(), ids=["-".join(lists) for lists in NAMES])
def test_each_name_of_this_repository_is_listed_once(lists, names):
    listed = [line[0].strip("|` ") for name in lists for line in cells(name)]
    assert sorted(listed) == sorted(names)


def test_plugins_of_installed_packages_are_left_out(toys):
    assert "toy" not in LISTS["methods"]() + LISTS["datasets"]()


def test_every_line_has_as_many_cells_as_the_header():
    for name, text in LISTS.items():
        assert len({line.replace("\\|", "").count("|") for line in LISTS[name]().splitlines()}) == 1, name
        assert "<" not in text().replace("\\<", "")


def test_a_dataset_s_line_says_where_it_belongs_and_what_stands_in_for_it():
    (line,) = [line for line in cells("datasets") if line[0] == "| `taichi`"]
    assert line[2:] == ["`taichi`", "18", "5,000 / 5,000 / 300", "`mini_taichi` |"]
