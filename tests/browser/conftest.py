"""A real browser on a real demo. Without a browser these tests are skipped, and say what is missing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.system.conftest import plant_folder
from tests.system.demo import Demo

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with its module: while Playwright runs, no other test could have an event loop of its own."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        pytest.skip("no Chromium on this machine: apt install chromium (make test does so itself where it is root)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def demo(database_software: Path) -> Iterator[Demo]:
    with plant_folder() as folder, Demo(folder) as running:
        yield running


@pytest.fixture
def page(browser: Browser, demo: Demo) -> Iterator[Page]:
    """The page as it opens, English; what the browser's console complains of fails the test."""
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="en-GB")
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(demo.url)
    opened.get_by_test_id("tile-L01").wait_for(timeout=10_000)
    if opened.get_by_test_id("language").inner_text().strip().lower().startswith("en"):
        opened.get_by_test_id("language").click()
    yield opened
    context.close()
    assert complaints == []
