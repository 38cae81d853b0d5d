"""What the pictures of show are made of: tints in their place, curves, bars."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.drawing import page as layout
from benchmarks.drawing.colours import palette
from benchmarks.records.store import HISTORY, write_table
from benchmarks.run.plan import Request, make_plan
from benchmarks.show import attention, choices, curves
from benchmarks.show.attention import maximum, tinted, write_attention
from benchmarks.show.cells import heading
from benchmarks.show.choices import agrees, write_choices
from benchmarks.show.curves import Curves, read_curves, smoothed, write_curves
from benchmarks.tasks import TASKS
from methods.base import Attention, Choices
from tests.leaderboard.synthetic import record

SIDE, MAP = 120, 24


def spot(row, column, height=1.0):
    """A map with a small Gaussian at a pixel."""
    rows, columns = np.mgrid[:MAP, :MAP]
    return (height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2)).astype(np.float32)


def coloured(picture):
    """(x, y) of the middle of what is strongly coloured, in pixels."""
    pixels = np.asarray(picture).astype(int)
    rows, columns = np.nonzero(pixels.max(axis=-1) - pixels.min(axis=-1) > 60)
    return columns.mean() + 0.5, rows.mean() + 0.5


@pytest.fixture
def drawn(monkeypatch):
    """Catches the figure instead of writing it."""
    caught = []
    for module in (curves, choices):
        monkeypatch.setattr(module, "write_figure", lambda path, figure: caught.append(figure))
    return caught


def test_the_maximum_is_the_first_one_at_the_centre_of_its_pixel():
    flat = np.zeros((4, 8), np.float32)
    flat[2, 1] = flat[2, 5] = flat[3, 0] = 1
    assert maximum(flat).tolist() == [1.5 / 8, 2.5 / 4]


@pytest.mark.parametrize(("row", "column"), [(5, 17), (20, 3)])
def test_a_tint_is_where_its_map_is_and_grey_elsewhere(row, column):
    photo = Image.new("RGB", (SIDE, SIDE), (40, 120, 200))
    picture = tinted(photo, spot(row, column, height=0.01))
    assert coloured(picture) == pytest.approx(((column + 0.5) * SIDE / MAP, (row + 0.5) * SIDE / MAP), abs=0.6)
    far = np.asarray(picture)[-1 if row < MAP / 2 else 0, 0 if column > MAP / 2 else -1].astype(int)
    assert far.max() - far.min() <= 3


def test_a_map_of_zeros_leaves_the_photo_grey():
    pixels = np.asarray(tinted(Image.new("RGB", (SIDE, SIDE), (40, 120, 200)), np.zeros((MAP, MAP), np.float32)))
    assert (pixels == pixels[..., :1]).all()


def test_the_grid_has_a_row_an_image_and_a_column_a_token(tmp_path):
    places = [[(4, 4), (4, 18), (12, 12)], [(19, 5), (6, 6), (18, 18)]]
    photos = [("first", Image.new("RGB", (SIDE, SIDE), "grey")), ("x" * 90, Image.new("RGB", (SIDE, SIDE), "grey"))]
    maps = np.array([[spot(*place) for place in row] for row in places])
    write_attention(tmp_path / "new" / "grid.png", "a heading", photos, Attention(("token 7", "token 0", "c"), maps))
    page = Image.open(tmp_path / "new" / "grid.png").convert("RGB")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["grid.png"]
    top = layout.MARGIN + attention.HEAD + attention.LABELS
    for row, marks in enumerate(places):
        for column, (y, x) in enumerate(marks, start=1):
            left = layout.MARGIN + column * (SIDE + layout.GAP)
            upper = top + row * (SIDE + attention.CAPTION + layout.GAP)
            tile = page.crop((left, upper, left + SIDE, upper + SIDE))
            assert coloured(tile) == pytest.approx(((x + 0.5) * SIDE / MAP, (y + 0.5) * SIDE / MAP), abs=1)
    keypoints = np.asarray(page.crop((layout.MARGIN, top, layout.MARGIN + SIDE, top + SIDE)))
    for (y, x), colour in zip(places[0], palette(3), strict=True):
        at = keypoints[round((y + 0.5) * SIDE / MAP), round((x + 0.5) * SIDE / MAP)]
        np.testing.assert_allclose(at, colour, atol=12)


def test_a_smoothed_curve_is_the_mean_of_what_is_around_and_known():
    line = np.arange(100.0)
    np.testing.assert_allclose(smoothed(line)[2:-2], line[2:-2])
    assert smoothed(line)[0] == pytest.approx(np.mean([0, 1, 2]))
    gap = np.where(line == 50, np.nan, 1.0)
    np.testing.assert_allclose(smoothed(gap), 1.0)
    assert np.isnan(smoothed(np.full(60, np.inf))).all()
    assert smoothed(np.array([3.0])).tolist() == [3.0]


def fit(label, seed, equivariance=0.5):
    steps = np.arange(1.0, 101)
    columns = {"loss": 10 / steps, "equivariance": np.full(100, equivariance), "images_per_second": steps}
    return Curves(label, seed, steps, columns, {"loss": "loss", "equivariance": "equivariance loss before its weight"})


def test_a_panel_a_loss_a_colour_a_label_dashes_a_seed(drawn, tmp_path):
    fits = [fit("full", 0), fit("full", 1), fit("without", 0, 0.0)]
    write_curves(tmp_path / "curves.png", "three fits", fits)
    (figure,) = drawn
    loss, equivariance = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "equivariance loss before its weight"]
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}
    pale, bold = loss.lines[::2], loss.lines[1::2]
    np.testing.assert_allclose(pale[0].get_ydata(), fits[0].columns["loss"])
    np.testing.assert_allclose(bold[0].get_ydata(), smoothed(fits[0].columns["loss"]))
    assert bold[0].get_color() == bold[1].get_color() != bold[2].get_color()
    assert bold[0].get_linestyle() == bold[2].get_linestyle() != bold[1].get_linestyle()
    assert len(equivariance.lines) == 4  # a part that is off has no curve
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:4] == ["full", "without", "seed 0", "seed 1"] and legend[-1] == "each step"


def test_the_steps_of_many_fits_do_not_hide_their_means(drawn, tmp_path):
    fits = [fit("full", seed) for seed in range(8)]
    write_curves(tmp_path / "curves.png", "eight fits", fits)
    assert len(drawn[0].axes[0].lines) == 8
    assert "each step" not in [text.get_text() for text in drawn[0].legends[0].get_texts()]


def test_a_loss_that_is_nothing_throughout_says_so(drawn, tmp_path):
    write_curves(tmp_path / "curves.png", "one fit", [fit("without", 0, 0.0)])
    assert "0 throughout" in [text.get_text() for text in drawn[0].axes[1].texts]


def curve(values, label="full"):
    """A fit with one scalar."""
    return Curves(label, 0, np.arange(1.0, len(values) + 1), {"loss": np.array(values)}, {"loss": "loss"})


@pytest.mark.parametrize(("steps", "lines"), [(99, ["each step"]), (100, ["mean over 5 % of the steps", "each step"])])
def test_a_short_curve_is_drawn_once_as_it_is(drawn, tmp_path, steps, lines):
    values = np.random.default_rng(0).uniform(1, 2, steps)
    write_curves(tmp_path / "curves.png", "one fit", [curve(values)])
    (axes,), legend = drawn[0].axes, drawn[0].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == lines
    assert len(axes.lines) == len(lines)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)


def test_a_scale_has_a_place_for_0_and_for_negative_values(drawn, tmp_path):
    falls = np.concatenate([np.geomspace(10, 0.01, 60), np.zeros(20)])
    for name, values in {"zero": falls, "negative": falls - 1, "positive": falls + 1}.items():
        write_curves(tmp_path / f"{name}.png", name, [curve(values)])
    zero, negative, positive = (figure.axes[0] for figure in drawn)
    assert [axes.get_yscale() for axes in (zero, negative, positive)] == ["symlog", "linear", "log"]
    assert zero.get_ylim()[0] == 0 and list(zero.get_yticks())[:2] == [0, 0.01]
    np.testing.assert_array_equal(zero.lines[0].get_ydata(), falls)


def panels(drawn, folder, methods, *scalars):
    """The titles of the panels for fits of these methods that all reported the same scalars."""
    write_table(folder / HISTORY, {"step": [1.0, 2.0], **{name: [1.0, 0.5] for name in scalars}})
    records = [record(name, "cub_001", 1.0) for name in methods]
    write_curves(folder / "curves.png", "a title", [read_curves(folder, each) for each in records])
    return [axes.get_title(loc="left") for axes in drawn[-1].axes]


def test_the_method_says_which_scalars_are_drawn_and_how_they_are_called(drawn, tmp_path):
    some = ("steps_left", "equivariance", "loss")
    equivariance = "equivariance loss before its weight"
    assert panels(drawn, tmp_path, ["stable_keypoints"], *some) == ["loss", equivariance]
    assert panels(drawn, tmp_path, ["imm"], *some) == ["loss"]
    assert panels(drawn, tmp_path, ["imm", "stable_keypoints"], *some) == [
        "loss",
        "equivariance loss before its weight",
    ]
    assert panels(drawn, tmp_path, ["imm"], "energy", "entropy") == ["energy", "entropy"]
    assert panels(drawn, tmp_path, ["uninstalled"], "loss", "entropy") == ["loss"]


def test_a_title_names_an_ablation_once():
    request = Request(["stable_keypoints"], [TASKS["cub_all"]], "mini", floors=False, suites=["ablation"])
    titles = {cell.variant.name: heading(cell.record()) for cell in make_plan(request).cells if cell.variant}
    assert "without equivariance" in titles
    for name, title in titles.items():
        assert title.count(name) == 1


def test_bars_are_shares_in_order_with_the_chosen_ones_in_their_colours(drawn, tmp_path):
    found = Choices(np.array([0, 5, 9, 1, 5]), seen=10, total=10, chosen=(2, 4), candidate="token")
    write_choices(tmp_path / "bars.png", "a fit", found)
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "1", "3"]
    assert [bar.get_height() for bar in axes.patches] == [90, 50, 50, 10]
    first, second = (tuple(value / 255 for value in colour) for colour in palette(2))
    assert [bar.get_facecolor()[:3] for bar in axes.patches[:2]] == [first, second]
    assert axes.patches[2].get_facecolor() == axes.patches[3].get_facecolor()
    assert axes.lines[0].get_ydata()[0] == pytest.approx(100 * 2 / 5)
    assert "first" not in axes.get_title(loc="left")
    assert axes.get_xlabel() == "token" and "4 of 5 tokens" in axes.get_title(loc="left")


def test_the_explanation_above_the_bars_is_inside_the_picture(drawn, tmp_path):
    found = Choices(np.arange(480), seen=3, total=123456, chosen=(2, 4), candidate="attention head of a layer")
    for few in (found, Choices(np.arange(9), 3, 123456, (2, 4), found.candidate)):
        write_choices(tmp_path / "bars.png", "a fit", few)
        figure = drawn[-1]
        figure.draw_without_rendering()
        box = figure.axes[0].title.get_window_extent(), figure.axes[0]._left_title.get_window_extent()
        assert max(each.x1 for each in box) <= figure.bbox.x1


def test_of_many_tokens_the_chosen_and_the_most_frequent_are_shown(drawn, tmp_path):
    counts = np.arange(500)
    write_choices(tmp_path / "bars.png", "a fit", Choices(counts, seen=500, total=900, chosen=(0, 499)))
    axes = drawn[0].axes[0]
    shown = [int(label.get_text()) for label in axes.get_xticklabels()]
    assert shown == [*range(499, 436, -1), 0]
    assert "first 500 of 900 images" in axes.get_title(loc="left")


def test_whether_the_choice_is_that_of_the_counts():
    counts = np.array([3, 7, 3, 1])
    assert agrees(Choices(counts, 7, 7, (1, 0)))
    assert not agrees(Choices(counts, 7, 7, (1, 2)))  # of two that tie the lower index
