"""The tables of a method's settings: what they say of each, and that they fit a terminal."""

from typing import ClassVar, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from benchmarks.describe.settings_table import settings, settings_text
from benchmarks.registry import METHODS, method_class
from methods.base import MethodConfig
from methods.floors import Grid


class Inner(BaseModel):
    depth: int = Field(default=1, description="How deep.")
    height: float = 2.0


class PresetConfig(MethodConfig):
    """``small`` is quick."""

    of_predict: ClassVar[frozenset[str]] = frozenset({"window"})

    preset: Literal["large", "small"] = Field(default="large", description="Which defaults.")
    steps: int = Field(default=1000, description="Steps of the fit.")
    window: tuple[int, int] | None = Field(default=None, description="Cells.")
    batch: int = Field(default=8, exclude=True, description="Images at once.")
    inner: Inner | None = Field(default=Inner(), description="More of them.")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given):
        return {"steps": 10, "inner": Inner(depth=5), **given} if given.get("preset") == "small" else given


class PlainConfig(MethodConfig):
    steps: int = Field(default=3, description="Steps of the fit.")


class WithPresets(Grid):
    Config = PresetConfig


class ByProfile(Grid):
    Config = PlainConfig

    @classmethod
    def config_for(cls, profile, settings):
        return cls.Config(**{"steps": {"mini": 3, "paper": 300}[profile], **settings})


class Plain(Grid):
    Config = PlainConfig


def cells(text):
    """The words of each line that stand two or more blanks apart."""
    return [[word.strip() for word in line.split("  ") if word.strip()] for line in text.splitlines()]


def test_a_setting_has_its_value_in_each_preset_and_its_meaning():
    lines = cells(settings_text("toy", WithPresets))
    assert ["settings (--set toy.NAME=VALUE)"] in lines
    assert ["small is quick."] in lines
    assert ["differs by preset", "large", "small", "meaning"] in lines
    assert ["steps", "1000", "10", "Steps of the fit."] in lines
    assert ["inner.depth", "1", "5", "How deep."] in lines
    assert ["inner.height", "2.0", "2.0"] in lines
    assert lines.index(["inner", "More of them."]) < lines.index(["equal in all presets", "value", "meaning"])


def test_a_setting_that_identifies_no_fit_is_marked():
    lines = cells(settings_text("toy", WithPresets))
    assert ["window", "none", "Cells. [prediction only]"] in lines
    assert ["batch", "8", "Images at once. [changes no keypoint]"] in lines
    assert "do not identify a fit" not in settings_text("toy", Plain)


def test_a_method_without_presets_has_a_column_for_each_profile_where_they_differ():
    assert ["differs by profile", "mini", "paper", "meaning"] in cells(settings_text("toy", ByProfile))
    assert cells(settings_text("toy", Plain))[-2:] == [
        ["name", "value", "meaning"],
        ["steps", "3", "Steps of the fit."],
    ]


def test_only_a_docstring_of_its_own_config_is_shown():
    class Undescribed(PresetConfig):
        pass

    class Child(WithPresets):
        Config = Undescribed

    class Heir(WithPresets):
        pass

    for cls in (Child, Heir):
        text = settings_text("toy", cls)
        assert "small is quick" not in text and "frozen" not in text and "Steps of the fit." in text


@pytest.mark.parametrize("width", [80, 100])
def test_on_a_terminal_descriptions_fit_its_width(width, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", str(width))
    for name in ("autolink", "strict", "sk/side", "grid", "taichi"):
        piped = command("describe", name)[1]
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdout.isatty", lambda: True, raising=False)
            shown = command("describe", name)[1]
        assert sorted(shown.split()) == sorted(piped.split())
        long = [line for line in shown.splitlines() if len(line) > width and not line.startswith("  Settings")]
        assert not [line for line in long if max(map(len, line.split())) < 60], name  # a digest is not broken


def test_a_setting_without_a_description_is_found_at_every_depth():
    assert [name for name, field in settings(PresetConfig) if not field.description] == ["inner.height"]


@pytest.mark.parametrize("name", [name for name in METHODS.entries if method_class(name).Config.model_fields])
def test_tables_fit_a_terminal_and_lose_no_word(name):
    cls = method_class(name)
    text = settings_text(name, cls)
    assert max(map(len, text.splitlines())) <= 120
    words = text.split()
    for setting, field in settings(cls.Config):
        assert setting in words
        assert set((field.description or "").split()) <= set(words)
