"""A browser for the page's test, where one can be had; where not, a line that says so, and that test is skipped."""

from __future__ import annotations

import os
import re
import shutil

from step import Refusal, answer, carry_out, say

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-noto-cjk")  # the page speaks Chinese
BY_HAND = f"so the browser test will be skipped. To run it: apt install {' '.join(PACKAGES)}"


def provide_browser() -> None:
    """Install Chromium by apt as root, unless there is a browser; never fails."""
    if any(shutil.which(name) for name in NAMES):
        return
    if shutil.which("apt-get") is None:
        say(f"browser: none found, and no apt-get to fetch one, {BY_HAND}")
    elif os.geteuid() != 0:
        say(f"browser: none found, and only root may install one, {BY_HAND}")
    else:
        say("browser: installing Chromium")
        try:
            install_chromium()
        except (Refusal, OSError) as refusal:
            say(f"browser: {refusal}")


def install_chromium() -> None:
    """By apt, with a new package list where there is none or it proves too old. Raises Refusal."""
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    installing = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
    failing = f"Chromium could not be installed, {BY_HAND}. apt's last words:"
    known = answer(["apt-cache", "policy", "chromium"], env=settings) or ""
    if re.search(r"Candidate: \d", known) is not None:
        try:
            carry_out(installing, failing, env=settings)
            return
        except Refusal:
            say("browser: the package list may be old, fetching a new one")
    carry_out(["apt-get", "update"], failing, env=settings)
    carry_out(installing, failing, env=settings)
