"""Profiles: every tag once, named as tags are, with a set-point inside its range, and no more of them than a layout holds."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from drivers.frame import LARGEST_LAYOUT
from drivers.profile import Profile, ProfileTag
from telemetry.engine.service_device import FIGURES, REASON
from telemetry.plant.checks.whole import Whole
from telemetry.plant.document import Document, Keys
from telemetry.plant.findings import listed, nearest

_TAG_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*")


def check(whole: Whole) -> None:
    for profile, document in whole.files.profiles:
        _names(whole, profile, document)
        _nodes(whole, profile, document)
        _size(whole, profile, document)
        if not _TYPE.fullmatch(profile.equipment_type):
            whole.wrong(
                (document, ("equipment_type",)),
                f"{profile.equipment_type} is not a type of equipment",
                "Write it in small letters and _, for example particle_counter.",
            )
        for name, tag, path in written(profile):
            _tag(whole, name, tag, (document, path))
            if tag.figure is not None:
                _figure(whole, tag, (document, (*path, "figure")))


def written(profile: Profile) -> Iterator[tuple[str, ProfileTag, Keys]]:
    """The tags as they are written, repeated ones once with their first name, and where they stand in the file."""
    for name, tag in profile.tags.items():
        yield name, tag, ("tags", name)
    for i, group in enumerate(profile.repeated):
        for name, tag in group.tags.items():
            yield name.format(n=1), tag, ("repeated", i, "tags", name)


def _names(whole: Whole, profile: Profile, document: Document) -> None:
    seen: set[str] = set(profile.tags)
    for i, group in enumerate(profile.repeated):
        for name in group.tags:
            names = [name.format(n=n) for n in range(1, group.count + 1)]
            twice = [one for one, times in Counter(names).items() if times > 1 or one in seen]
            seen.update(names)
            if twice:
                right = (
                    "Put the number into the name: cell{n:02d}." if "{" not in name else "Give each tag its own name."
                )
                whole.wrong((document, ("repeated", i, "tags", name)), f"tag {listed(twice)} exists already", right)


def _nodes(whole: Whole, profile: Profile, document: Document) -> None:
    seen: dict[str, str] = {}
    places = {name: path for name, _, path in written(profile)}
    for name, tag in profile.expanded().items():
        if tag.node is None:
            continue
        other = seen.setdefault(tag.node, name)
        if other != name and name in places:
            what = f"tag {name} reads the same node {tag.node} as {other}"
            whole.wrong((document, places[name]), what, "Give each tag its own node, or remove one of the two.")
        elif other != name and other in places:
            what = f"tag {other} reads the same node {tag.node} for every number"
            whole.wrong((document, places[other]), what, "Put the number into the node: s=Cell{n:02d}.Temperature.")


def _size(whole: Whole, profile: Profile, document: Document) -> None:
    polled = [tag for tag in profile.expanded().values() if tag.kind != "text" and tag.record is None]
    if len(polled) > LARGEST_LAYOUT:
        whole.wrong(
            (document, ("repeated",) if profile.repeated else ("tags",)),
            f"profile {profile.profile} has {len(polled)} tags that are read every second; one device has at most {LARGEST_LAYOUT}",
            "Split it into two profiles, each with an equipment of its own.",
        )


def _figure(whole: Whole, tag: ProfileTag, place: tuple[Document, Keys]) -> None:
    if (tag.figure == REASON) == (tag.kind == "text") and tag.figure in (*FIGURES, REASON):
        return
    known = (REASON,) if tag.kind == "text" else tuple(FIGURES)
    what = f"the service has no {'text' if tag.kind == 'text' else 'figure'} {tag.figure}"
    whole.wrong(place, what, nearest(str(tag.figure), known))


def _tag(whole: Whole, name: str, tag: ProfileTag, place: tuple[Document, Keys]) -> None:
    if not _TAG_NAME.fullmatch(name):
        whole.wrong(
            place, f"{name} is not a name for a tag", "Write it in small letters, digits and _, parts joined by dots."
        )
    if tag.range is not None and tag.setpoint is not None and not tag.range[0] <= tag.setpoint <= tag.range[1]:
        whole.wrong(
            (place[0], (*place[1], "setpoint")),
            f"the set-point {tag.setpoint:g} of {name} lies outside its range {tag.range[0]:g} to {tag.range[1]:g}",
            "Give a set-point that the instrument can show, or widen the range.",
        )
    if tag.kind == "boolean" and tag.legend and not set(tag.legend) <= {0, 1}:
        what = f"the legend of {name} names {listed(str(key) for key in tag.legend)}, but a boolean is 0 or 1"
        whole.wrong((place[0], (*place[1], "legend")), what, "Name 0 and 1, or let its kind be state.")
    if tag.kind in ("boolean", "state", "text") and tag.unit:
        whole.wrong((place[0], (*place[1], "unit")), f"{name} is a {tag.kind} and has no unit", "Remove the unit.")
