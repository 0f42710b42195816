"""One demo for all tests that only look at it or push it about; tests that kill it start their own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.demo import Demo


@pytest.fixture(scope="session")
def demo(database_software: Path) -> Iterator[Demo]:
    with plant_folder() as folder, Demo(folder) as running:
        yield running


@pytest.fixture
def own_data(database_software: Path) -> Iterator[Path]:
    """A data folder of this test's own."""
    with plant_folder() as folder:
        yield folder


class plant_folder:
    """A data folder that PostgreSQL's account can enter, which pytest's own, closed to others, are not."""

    def __enter__(self) -> Path:
        self.folder = Path(tempfile.mkdtemp(prefix="telemetry-test-plant-"))
        self.folder.chmod(0o755)
        return self.folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
