"""LaTeX tables: they hold the numbers of the markdown tables, and their rows, braces and signs are valid."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leaderboard.errors import LeaderboardError
from leaderboard.latex import latex, to_latex
from leaderboard.load import RESULTS, load_results
from leaderboard.misalignment import misalignment_rows
from leaderboard.tables import render, rows
from tests.leaderboard.synthetic import record

WILD = ("celeba_wild_k4", "cub_001", "taichi")
FOUND = rows(load_results(RESULTS, "wild.mini"), WILD, "mini")
PAIRS = misalignment_rows(load_results(), ("cub_aligned", "cub_all"), "mini")
PAPER = rows([], WILD, "paper")
BAD = re.compile(r"(?<!\\)[%&#_$~^<>|]|[±×↑↓†‖‡§¶◊–]")  # signs that LaTeX would read, or that its fonts may lack


def body(text):
    """The rows of every table as lists of cells."""
    lines = [line for line in text.splitlines() if line.endswith(r" \\") and "&" in line]
    return [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines]


def numbers(text):
    return sorted(re.findall(r"\d+\.\d\d", text))


@pytest.mark.parametrize("found", [FOUND, PAIRS, PAPER], ids=["measured", "pairs", "published"])
def test_rows_have_equal_lengths_and_braces_are_closed(found):
    text = render(found, "latex", "a_b & 100 %")
    assert r"\caption{a\_b \& 100 \%" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert len({len(line) for line in body(text)}) == 1
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    for line in text.splitlines()[1:]:
        maths = re.sub(r"\$[^$]*\$", "", line)
        assert not BAD.search(maths.replace(r"\&", "").replace(" & ", " ")), line


@pytest.mark.parametrize("found", [FOUND, PAIRS], ids=["measured", "pairs"])
def test_the_numbers_and_the_bold_ones_are_those_of_markdown(found):
    text = render(found, "latex")
    assert numbers(text) == numbers(render(found))
    bold = re.findall(r"\*\*([\d.]+)\*\*", render(found))
    assert sorted(re.findall(r"\\textbf\{([\d.]+)\}", text)) == sorted(bold)


def test_notes_and_groups_stand_in_the_table():
    text = render(FOUND, "latex")
    assert r"\multicolumn{6}{l}{\emph{floors}} \\" in text
    assert r"$\pm$ is half the width of the 95 \% interval" in text
    assert r"$^\dagger$ the regression did not determine all weights" in text
    assert text.index(r"\end{tabular}") < text.index("Best measured value in bold.")


def test_columns_are_chosen_by_the_first_words_of_their_headings():
    text = to_latex(FOUND, columns=["taichi", "seeds"])
    assert [cell.split()[0] for cell in body(text)[0]] == ["method", "taichi", "seeds"]
    with pytest.raises(LeaderboardError, match="no column 'cub_003'; it has celeba_wild_k4, cub_001, taichi, seeds"):
        to_latex(FOUND, columns=["cub_003"])
    published = to_latex(PAPER, columns=["taichi", "seeds"])
    assert {cell.split()[0] for cell in body(published)[0]} == {"method", "supervision", "taichi"}


def test_nothing_measured_is_a_comment():
    assert render([], "latex", "wild") == "% wild: nothing measured yet\n"


def test_labels_from_outside_are_text():
    made_up = record("alpha", "cub_001", 7.0, method_label=r"a_b \input{x} $1 100% #2 ~ ^")
    text = render(rows([made_up], ["cub_001"], "mini"), "latex")
    assert r"a\_b \textbackslash{}input\{x\} \$1 100\% \#2 \textasciitilde{} \textasciicircum{}" in text


@given(st.text())
@example("ᵘᵃ")
def test_any_text_has_no_bare_sign(text):
    shown = latex(text.replace("**", ""))
    marks = r"\^\\\w+|\^\{\\mathrm\{[a-z]\}\}"
    bare = re.sub(rf"\\[%&#_${{}}]|\\text\w+\{{\}}|\$(\\pm|\\times|\\uparrow|\\downarrow|[<>|]|{marks})\$", "", shown)
    assert not re.search(r"[%&#_${}~^\\]", bare)
