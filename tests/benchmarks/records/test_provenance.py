"""Which commit a number comes from, and what counts as a change of it: on repositories made for the test."""

import shutil
import subprocess

import pytest

from benchmarks.records import provenance

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder, *arguments):
    named = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(folder), *named, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write(folder, name, text="x = 1\n"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def code(tmp_path, monkeypatch):
    """The root of some code that git does not know yet."""
    root = tmp_path / "code"
    for name in (
        "benchmarks/records/provenance.py",
        "metrics/errors.py",
        "leaderboard/reference/fits.json",
        "README.md",
    ):
        write(root, name)
    write(root, ".gitignore", "/runs/\n")
    monkeypatch.setattr(provenance, "ROOT", root)
    provenance.git_state.cache_clear()
    yield root
    provenance.git_state.cache_clear()


@pytest.fixture
def repository(code):
    git(code, "init", "-q")
    git(code, "add", "-A")
    git(code, "commit", "-qm", "all")
    return code


def test_the_root_is_that_of_this_checkout():
    assert (provenance.ROOT / provenance._THIS_FILE).samefile(provenance.__file__)


def test_a_clean_tree_is_its_commit(repository):
    assert provenance.changed_files() == []
    assert provenance.git_state() == {"git_sha": git(repository, "rev-parse", "HEAD"), "git_dirty": False}


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("name", ["metrics/errors.py", "README.md", "leaderboard/reference/fits.json"])
def test_a_tracked_file_that_differs_makes_it_dirty_staged_or_not(repository, name, staged):
    write(repository, name, "x = 2\n")
    if staged:
        git(repository, "add", "-A")
    assert provenance.changed_files() == [name]
    assert provenance.git_state()["git_dirty"] is True


def test_a_deleted_file_and_a_moved_one_make_it_dirty(repository):
    (repository / "README.md").unlink()
    git(repository, "mv", "metrics/errors.py", "metrics/error.py")
    assert provenance.changed_files() == ["README.md", "metrics/error.py", "metrics/errors.py"]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("metrics/new.py", True),
        ("benchmarks/regress/new.py", True),
        ("scratch.py", False),
        ("notes.md", False),
        ("leaderboard/results/wild.mini.json", False),
        ("runs/cells/a/result.json", False),
        ("runs/metrics/new.py", False),
    ],
)
def test_of_untracked_files_only_code_of_the_packages_counts(repository, name, counts):
    write(repository, name)
    assert provenance.changed_files() == [name] * counts
    assert provenance.git_state()["git_dirty"] is counts


def test_an_archive_without_git_is_unknown_even_inside_another_repository(code):
    assert provenance.changed_files() is None
    git(code.parent, "init", "-q")
    write(code.parent, "other.txt")
    git(code.parent, "add", "other.txt")
    git(code.parent, "commit", "-qm", "another project")
    assert provenance.changed_files() is None
    assert provenance.git_state() == {"git_sha": None, "git_dirty": None}


def test_without_the_git_program_it_is_unknown(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state() == {"git_sha": None, "git_dirty": None}
