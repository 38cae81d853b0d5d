import shutil
from pathlib import Path

import pytest
from diffusers import DiffusionPipeline

from tests.methods.tiny_pipeline import LAYOUTS, build_layout, build_pipeline


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a random tiny diffusion pipeline."""
    return build_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, DiffusionPipeline]]:
    """Folder and pipeline of each released layout; to be read only."""
    folders = {layout: tmp_path_factory.mktemp(layout) for layout in LAYOUTS}
    return {layout: (folder, build_layout(layout, folder)) for layout, folder in folders.items()}


@pytest.fixture
def sd1(layouts: dict[str, tuple[Path, DiffusionPipeline]], tmp_path: Path) -> Path:
    """A copy of the Stable Diffusion 1.x pipeline, for tests that damage it."""
    return Path(shutil.copytree(layouts["sd1"][0], tmp_path / "sd1"))
