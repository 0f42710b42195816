""".venv: the packages of the lock, each checked against its hash, and the project itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from step import ROOT, STEP_TIMEOUT_S, VENV, Refusal, answer, carry_out, digest, done_before, remember, say

REQUIREMENTS = ROOT / "requirements"
PYTHON = VENV / "bin" / "python"
OLDEST, NEWEST = (3, 11), (3, 14)  # the locks hold ready-made packages for these
NAMES = ["python3", *(f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1))]
TELL_EVERY_S = 5
VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
PROBE = """
import json, sys
def has(module, name):
    try: return hasattr(__import__(module), name)
    except ImportError: return False
modules = [has("venv", "EnvBuilder"), has("ensurepip", "bootstrap")]
print(json.dumps([sys.version_info[:2], sys.implementation.name, *modules]))
"""


def provide_environment(test: bool) -> None:
    """Bring .venv up to date with the lock (with `test`, the tests' lock) and pyproject.toml, where they changed."""
    began, done = time.monotonic(), done_before()
    version = answer([str(PYTHON), "-c", VERSION])
    if version is None or version != done.get("python"):
        make_venv()
        done = {}
    locks = {name: digest(REQUIREMENTS / f"{name}.lock") for name in (["run", "test"] if test else ["run"])}
    project = digest(ROOT / "pyproject.toml")
    have = done.get("locks", {})
    is_due = any(have.get(name) != lock for name, lock in locks.items())
    if not is_due and done.get("project") == project:
        return
    compiler = None
    if is_due:
        install("test.lock" if test else "run.lock", "Python packages")
        remember(locks=locks)
        # pip compiles on one core, and the packages' own tests too: it is told not to, and this is done meanwhile.
        compiling = [str(PYTHON), "-m", "compileall", "-q", "-j0", "-x", "/tests?/", str(site_packages())]
        compiler = subprocess.Popen(compiling, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    say("environment: installing the project itself")
    options = ["--quiet", "--no-deps", "--no-build-isolation"]
    carry_out(
        [*pip_command(), "install", *options, "--editable", str(ROOT)],
        "The project could not be installed into .venv. pip's last words:",
        env=settings(),
    )
    if compiler is not None:
        compiler.wait(STEP_TIMEOUT_S)
    remember(project=project)
    say(f"environment: ready in {time.monotonic() - began:.0f} s")


def install(lock: str, what: str) -> None:
    """Install one lock into .venv, telling how far it is."""
    total = len(re.findall(r"(?m)^\S+==", (REQUIREMENTS / lock).read_text(encoding="utf-8")))
    say(f"environment: installing {total} {what}")
    fetched, told_at = 0, time.monotonic()

    def follow(line: str) -> None:
        nonlocal fetched, told_at
        fetched += line.startswith(("Collecting ", "Requirement already satisfied"))
        if line.startswith("Installing collected"):
            say("environment: unpacking them")
            told_at = float("inf")
        elif time.monotonic() - told_at > TELL_EVERY_S:
            told_at = time.monotonic()
            say(f"environment: {fetched} of about {total} fetched")

    options = ["--require-hashes", "--no-deps", "--no-compile", "--progress-bar", "off"]
    carry_out(
        [*pip_command(), "install", *options, "-r", str(REQUIREMENTS / lock)],
        f"The packages of {lock} could not be installed: is the package index reachable? pip's last words:",
        on_line=follow,
        env=settings(),
    )


def settings() -> dict:
    """For Python and pip: the user's index and proxy settings stay, what would lead files elsewhere goes."""
    strangers = ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")
    kept = {name: value for name, value in os.environ.items() if name not in strangers}
    return {**kept, "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def site_packages() -> Path:
    """Where .venv keeps its packages."""
    return Path(answer([str(PYTHON), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]) or VENV)


def find_python() -> str:
    """The best Python on this machine: one the locks hold ready-made packages for, with ensurepip where there is one."""
    found, others = [], []
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    candidates = [sys.executable, *(str(folder / name) for name in NAMES for folder in folders)]
    for order, path in enumerate(dict.fromkeys(candidates)):
        told = answer([path, "-c", PROBE], env=settings()) if os.access(path, os.X_OK) else None
        if told is None:  # not there, or a pyenv shim without a version behind it
            continue
        version, name, has_venv, has_ensurepip = json.loads(told.splitlines()[-1])
        if tuple(version) < OLDEST or name != "cpython":
            others.append(f"{path} is {name} {version[0]}.{version[1]}")
        elif has_venv:
            found.append((tuple(version) > NEWEST, not has_ensurepip, order, path))
        else:
            others.append(f"{path} lacks the module venv")
    if not found:
        raise Refusal(
            "telemetry needs Python 3.11 or newer, and none that will do was found "
            f"({'; '.join(others) or 'no python3 on PATH'}). Install one: apt install python3 python3-venv on Debian 12, "
            "Ubuntu 24.04 or newer, else pyenv install 3.12."
        )
    return min(found)[-1]


def make_venv() -> None:
    """A new, empty .venv."""
    python = find_python()
    say(f"environment: making .venv with {python}")
    if VENV.exists():
        shutil.rmtree(VENV)
    failing = f"{python} could not make .venv. Try: apt install python3-venv. Its last words:"
    try:
        carry_out([python, "-m", "venv", str(VENV)], failing, env=settings())
    except Refusal:  # Debian's Python comes without ensurepip; pip_command() then finds another way
        carry_out([python, "-m", "venv", "--clear", "--without-pip", str(VENV)], failing, env=settings())
    remember(python=answer([str(PYTHON), "-c", VERSION]), base=python)


def pip_command() -> list[str]:
    """pip for .venv: its own, else that of the Python it was made with, else the wheel that Debian keeps for venvs."""
    base = done_before().get("base", "python3")
    for command in ([str(PYTHON), "-m", "pip"], [base, "-m", "pip", "--python", str(PYTHON)]):
        if answer([*command, "--version"], env=settings()) is not None:
            return command
    kept = VENV / "share" / "python-wheels"
    if not any(kept.glob("pip-*.whl")):
        say("environment: fetching pip, which this Python comes without")
        fetch_pip(kept)
    for folder in (kept, Path("/usr/share/python-wheels")):
        for wheel in folder.glob("pip-*.whl"):
            return [str(PYTHON), str(wheel / "pip")]
    raise Refusal(f"{base} comes without pip, and apt could not provide it. Try: apt install python3-venv")


def fetch_pip(folder: Path) -> None:
    """Debian's package of pip for venvs, unpacked into `folder` without installing it; needs no root."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "state" / "lists" / "partial").mkdir(parents=True)
        download = ["download", "python3-pip-whl"]
        if (
            answer(["apt-get", *download], cwd=scratch) is None
        ):  # no package list yet: fetch one, beside the machine's own
            own = ["-o", f"Dir::State={scratch}/state", "-o", "Dir::State::status=/var/lib/dpkg/status"]
            own += ["-o", f"Dir::Cache={scratch}/cache", "-o", "Acquire::Languages=none"]
            answer(["apt-get", *own, "update"], cwd=scratch)
            answer(["apt-get", *own, *download], cwd=scratch)
        for package in scratch.glob("*.deb"):
            answer(["dpkg-deb", "-x", str(package), str(scratch / "root")])
        for wheel in scratch.glob("root/usr/share/python-wheels/pip-*.whl"):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(wheel, folder)
