import sys

import pytest

from benchmarks.cli import main


@pytest.fixture
def score(tmp_path, monkeypatch, capsys):
    """Run ``score`` in this process; gives exit status, stdout and stderr."""
    monkeypatch.delenv("KEYPOINTS_DATA_ROOT", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["benchmarks", "score", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return call
