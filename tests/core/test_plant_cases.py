"""Golden cases of broken configurations: every mistake is found at once, at its line, with its remedy, and nothing else is."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from telemetry.plant import Mistake, survey

CASES = Path(__file__).parents[1] / "cases" / "config"
NAMES = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())


def laid_over_base(case: str, target: Path) -> Path:
    """The files of `case` over those of the base plant, in `target`."""
    shutil.copytree(CASES / "base", target)
    shutil.copytree(CASES / case, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("expected.yaml"))
    return target


@pytest.mark.parametrize("case", NAMES)
def test_all_mistakes_and_no_others(case: str, tmp_path: Path) -> None:
    expected: dict[str, Any] = {}
    if (CASES / case / "expected.yaml").exists():
        expected = yaml.safe_load((CASES / case / "expected.yaml").read_text(encoding="utf-8"))
    found = survey(laid_over_base(case, tmp_path / "config"))
    assert_found(found.mistakes, expected.get("mistakes", []))
    assert_found(found.warnings, expected.get("warnings", []))


def assert_found(found: tuple[Mistake, ...], expected: list[dict[str, Any]]) -> None:
    left = list(found)
    for one in expected:
        at, says = str(one["at"]), [str(word) for word in one["says"]]
        hits = [m for m in left if f"{m.file}:{m.line}" == at and all(word in str(m) for word in says)]
        assert hits, f"not found: {at} {says}, among\n" + "\n".join(str(m) for m in left)
        left.remove(hits[0])
    assert not left, "found beyond what was expected:\n" + "\n".join(str(m) for m in left)


def test_every_mistake_says_what_would_be_right(tmp_path: Path) -> None:
    for case in NAMES:
        for mistake in survey(laid_over_base(case, tmp_path / case)).mistakes:
            assert mistake.right.endswith((".", "?")), mistake
            assert mistake.wrong[-1] not in ".:", mistake
