"""One demo for all tests that only look at it or push it about; tests that kill it start their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.demo import Demo


@pytest.fixture(scope="session")
def demo(database_software: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with Demo(reachable(tmp_path_factory.mktemp("demo"))) as running:
        yield running


@pytest.fixture
def own_data(database_software: Path, tmp_path: Path) -> Path:
    """A data folder of this test's own."""
    return reachable(tmp_path)


def reachable(folder: Path) -> Path:
    """PostgreSQL's account, where the tests run as root, must be able to enter."""
    for place in (folder, *folder.parents):
        if place.stat().st_uid == folder.stat().st_uid and place.name.startswith(("pytest-", "demo", "test_")):
            place.chmod(0o755)
    return folder
