"""The page: dashboard/ built into api/static, by the machine's Node or by one from a wheel."""

from __future__ import annotations

import time

from node import find_npm
from step import ROOT, Refusal, carry_out, digest, done_before, remember, say

SOURCE = ROOT / "dashboard"
PAGE = ROOT / "api" / "static" / "index.html"
NO_SOURCE = {"node_modules", "dist", ".vite"}


def provide_page() -> None:
    """Build the page, if its sources have changed since."""
    if not (SOURCE / "package.json").exists():
        raise Refusal("There is no dashboard/package.json to build the page from: is this a whole clone?")
    packages = digest(SOURCE / "package.json", SOURCE / "package-lock.json")
    files = (path for path in SOURCE.rglob("*") if not NO_SOURCE.intersection(path.relative_to(SOURCE).parts))
    sources = digest(*sorted(path for path in files if path.is_file()))
    done = done_before()
    if done.get("page") == sources and PAGE.exists():
        return
    began = time.monotonic()
    npm, settings = page_npm()
    if done.get("page_packages") != packages or not (SOURCE / "node_modules").is_dir():
        say("dashboard: fetching the page's packages")
        carry_out(
            [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            "The page's packages could not be fetched: is the npm registry reachable? npm's last words:",
            env=settings,
            cwd=SOURCE,
        )
    remember(page_packages=packages, page=None)
    say("dashboard: building the page")
    carry_out([*npm, "run", "build"], "The page could not be built. Its last words:", env=settings, cwd=SOURCE)
    if not PAGE.exists():
        raise Refusal(f"The page was built, and yet there is no {PAGE}: see outDir in dashboard/vite.config.ts.")
    remember(page=sources)
    say(f"dashboard: ready in {time.monotonic() - began:.0f} s")


def test_page() -> None:
    """The page's own tests."""
    npm, settings = page_npm()
    say("dashboard: its own tests")
    carry_out([*npm, "test"], "The page's own tests failed:", env=settings, cwd=SOURCE)


def page_npm() -> tuple[list[str], dict]:
    """npm on a Node that the page's tools run on."""
    return find_npm(
        lambda version: [20, 19] <= version < [21] or version >= [22, 12], "the page needs 20.19, 22.12 or newer"
    )
