"""Texts that people act on: an alarm says what happened, why, what follows and what to do, in both languages."""

import re
from collections.abc import Iterator
from typing import Final

from drivers.profile import Text
from telemetry.plant.checks.whole import Whole, at
from telemetry.plant.document import Place

_EMPTY: Final = re.compile(r"(?i)[\s?.\-–—]*|tbd|todo|to do|tba|n/?a|none|xxx+|待定|待补充|无|暂无")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")
_LATIN: Final = re.compile(r"[A-Za-z]")


def check(whole: Whole) -> None:
    for file, document in whole.files.alarms:
        for i, entry in enumerate(file.alarms):
            for key in ("message", "cause", "consequence", "response"):
                place: Place = (document, ("alarms", i, key))
                _text(whole, f"alarm {entry.name}: {key}", getattr(entry, key), place)
    if whole.files.interlocks is not None:
        file_, document = whole.files.interlocks
        for i, row in enumerate(file_.interlocks):
            _text(whole, f"interlock {row.name}: title", row.title, (document, ("interlocks", i, "title")))
    if whole.files.requirements is not None:
        _numbers(whole)


def _text(whole: Whole, what: str, text: Text, place: Place) -> None:
    for language, fault in _faults(text):
        right = "Say it in a sentence that the person on shift can act on, in English and in Chinese."
        whole.wrong(at(place, language), f"{what} {fault}", right)


def _faults(text: Text) -> Iterator[tuple[str, str]]:
    if _EMPTY.fullmatch(text.en.strip()):
        yield "en", "says nothing in English"
    elif not _LATIN.search(text.en):
        yield "en", "is not English"
    if _EMPTY.fullmatch(text.zh.strip()):
        yield "zh", "says nothing in Chinese"
    elif not _HAN.search(text.zh):
        yield "zh", "is not Chinese"


def _numbers(whole: Whole) -> None:
    assert whole.files.requirements is not None
    file, document = whole.files.requirements
    seen: set[str] = set()
    for i, entry in enumerate(file.requirements):
        if entry.id in seen:
            right = "Give the later one a new number; numbers are never used twice."
            whole.wrong((document, ("requirements", i, "id")), f"requirement {entry.id} exists already", right)
        seen.add(entry.id)
