"""What one good scan tells of a device: which tags are Bad or Uncertain and why, and which show what their instrument cannot.

Pure; `Device.probe` ends with it, and `telemetry check --connect` prints it.
"""

from collections.abc import Mapping, Sequence

from drivers.frame import Scan
from drivers.profile import ProfileTag
from drivers.quality import BAD_NODE_ID_UNKNOWN, GOOD, class_of, reason_of

NAMED = 3
"""Tags that one sentence names; of more it says how many."""


def findings_of(device: str, tags: Mapping[str, ProfileTag], scan: Scan) -> tuple[str, ...]:
    """One sentence for each reason that makes tags of `device` other than Good, and for each value outside its range.

    `tags`: the profile's, by name within the device, written out. A scan that failed as a whole gives its failure alone.
    """
    if scan.failure is not None:
        return (scan.failure,)
    by_reason: dict[int, list[str]] = {}
    outside: list[str] = []
    for frame in scan.frames:
        for i, tag in enumerate(frame.layout.tags):
            reason = GOOD if frame.quality is None else int(frame.quality[i])
            if reason != GOOD:
                by_reason.setdefault(reason, []).append(tag)
                continue
            spec, value = tags[tag.removeprefix(f"{device}.")], float(frame.values[i])
            if spec.range is not None and not spec.range[0] <= value <= spec.range[1]:
                low, high = spec.range
                outside.append(
                    f"{tag} reads {value:g} {spec.unit}".rstrip() + f", outside its range {low:g} to {high:g}"
                )
    lost = [name for name, text in scan.texts.items() if text is None]
    return (
        *(unwell(device, reason, names, tags) for reason, names in sorted(by_reason.items(), reverse=True)),
        *([f"{listed(lost)}: no text could be read"] if lost else []),
        *outside,
    )


def unwell(device: str, reason: int, names: list[str], tags: Mapping[str, ProfileTag]) -> str:
    """One sentence about the tags (full ids) of `device` that are not Good for the same `reason`."""
    if reason == BAD_NODE_ID_UNKNOWN:
        shown = [f"{name} ({tags[name.removeprefix(f'{device}.')].node})" for name in names]
        return f"{listed(shown)}: the server has no such node; compare the profile with `telemetry browse`"
    return f"{listed(names)}: the device gives {class_of(reason)} ({reason_of(reason) or 'no reason'})"


def listed(names: Sequence[str]) -> str:
    """The first of `names`, and how many more."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
