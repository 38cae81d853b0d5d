"""The registries: lazy, helpful about names, and robust against broken plugins."""

import subprocess
import sys

import pytest

from benchmarks.errors import UserError
from benchmarks.registry import METHODS, Registry, method_class, mini_counterpart


def test_a_near_match_is_proposed():
    with pytest.raises(UserError, match=r"unknown method 'stable_keypoint'; did you mean 'stable_keypoints'\?"):
        METHODS.entry("stable_keypoint")


def test_a_name_far_from_all_says_where_the_names_are():
    with pytest.raises(UserError, match=r"^unknown method 'zzz'; see python -m benchmarks list methods$"):
        METHODS.entry("zzz")


def test_an_installed_package_adds_its_plugins(toys):
    assert method_class("toy_colours") is toys.Colours
    assert METHODS.entry("toy_colours").summary == "from package keypoint-toys 1.0"
    assert METHODS.origin("toy_colours") == "keypoint_toys:Colours (package keypoint-toys 1.0)"


def test_a_broken_plugin_is_listed_and_says_what_is_wrong_when_loaded(toys):
    assert "toy_broken" in METHODS.entries
    with pytest.raises(UserError, match=r"toy_broken.*package keypoint-toys.*No module named"):
        METHODS.load("toy_broken")
    assert METHODS.load("grid").card.id == "grid"


def test_a_dataset_may_name_its_synthetic_counterpart(toys, monkeypatch):
    def with_counterpart(root):
        dataset = toys.Squares("toy_squares", root)
        dataset.card = dataset.card.model_copy(update={"mini_counterpart": "toy_many"})
        return dataset

    assert mini_counterpart("toy_squares") == "toy_squares"
    monkeypatch.setattr(toys, "squares", with_counterpart)
    assert mini_counterpart("toy_squares") == "toy_many"
    assert mini_counterpart("no_such_dataset") == "no_such_dataset"


def test_the_counterpart_of_a_built_in_dataset_is_found_without_importing_any():
    code = (
        "import sys; from benchmarks.registry import mini_counterpart; "
        "assert mini_counterpart('taichi') == 'mini_taichi'; "
        "sys.exit('datasets.taichi' in sys.modules or 'datasets.mini' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_two_owners_of_a_name_are_both_named(toys):
    taken = Registry("method", {"toy_colours": ("somewhere:Else", "mine")}, "methods/__init__.py")
    with pytest.raises(UserError, match="'toy_colours' is registered twice, by methods/__init__.py and by package key"):
        taken.entry("toy_colours")


def test_loading_one_method_imports_no_other():
    code = (
        "import sys; from benchmarks.registry import METHODS; METHODS.entries; "
        "tables = {'methods.base', 'methods.frozen', 'methods.adapters'}; "
        "sys.exit(any(name.startswith('methods.') and name not in tables for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
