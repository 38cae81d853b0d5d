from pathlib import Path

import pytest

from tests.methods.tiny_pipeline import build_pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random tiny diffusion pipeline."""
    return build_pipeline(tmp_path_factory.mktemp("pipeline"))
