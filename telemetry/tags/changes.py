"""What an import would change, tag by tag and column by column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.profile import Profile, ProfileTag
from telemetry.tags.cells import cell_of
from telemetry.tags.columns import columns, plain

Key = tuple[int, str]
"""A tag as it is written: the number of its group (0: none) and its name."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Lines that tell a person what differs; none where nothing does. `counts`: how many tags of each sort."""

    lines: tuple[str, ...]
    counts: Mapping[str, int]

    def __str__(self) -> str:
        return ", ".join(f"{number} {sort}" for sort, number in self.counts.items())


def changes(old: Profile, new: Profile) -> Changes:
    """What becomes of `old` when its tags are those of `new`."""
    before, after = _written(old), _written(new)
    added = [key for key in after if key not in before]
    removed = [key for key in before if key not in after]
    changed = [key for key in after if key in before and before[key] != after[key]]
    lines = [
        *(f"+ {_shown(key)}: {after[key].name.en}, {after[key].name.zh}" for key in added),
        *(f"~ {_shown(key)}: {difference}" for key in changed for difference in _differences(before[key], after[key])),
        *(f"- {_shown(key)}" for key in removed),
    ]
    for number, (was, now) in enumerate(zip(old.repeated, new.repeated, strict=False), 1):
        if was.count != now.count:
            lines.append(f"~ group {number}: count {was.count} becomes {now.count}")
    if [key for key in before if key in after] != [key for key in after if key in before]:
        lines.append("~ the order of the tags")
    return Changes(tuple(lines), {"added": len(added), "changed": len(changed), "removed": len(removed)})


def _written(profile: Profile) -> dict[Key, ProfileTag]:
    tags = {(0, name): tag for name, tag in profile.tags.items()}
    for number, group in enumerate(profile.repeated, 1):
        tags |= {(number, name): tag for name, tag in group.tags.items()}
    return tags


def _shown(key: Key) -> str:
    return key[1] if key[0] == 0 else f"{key[1]} (group {key[0]})"


def _differences(old: ProfileTag, new: ProfileTag) -> Iterator[str]:
    before, after = plain(old), plain(new)
    for column in columns():
        was, now = column.of(before), column.of(after)
        if was != now:
            yield f"{column.name} {_said(column, was)} becomes {_said(column, now)}"


def _said(column: Any, value: Any) -> str:
    cell = cell_of(column, value)
    return "(empty)" if cell is None else str(cell)
