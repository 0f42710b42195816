"""Tags that profile and server disagree on are named, once for each reason, and for as long as it is so."""

import numpy as np

from drivers.mismatch import Mismatches
from drivers.profile import ProfileTag, Text
from drivers.quality import BAD_NODE_ID_UNKNOWN, BAD_SENSOR_FAILURE, BAD_USER_ACCESS_DENIED, GOOD

NAMES = ("a", "b", "c", "d", "e")
TAGS = {name: ProfileTag(name=Text(en=name, zh=name), node=f"s={name.upper()}") for name in NAMES}
IDS = [f"D1.{name}" for name in NAMES]


def told(mismatches: Mismatches, *codes: int) -> tuple[str, ...]:
    return mismatches.told(IDS, np.array(codes, np.uint16))


def test_each_reason_names_its_tags_and_nodes() -> None:
    mismatches = Mismatches("D1", TAGS)
    denied, unknown = told(
        mismatches, BAD_NODE_ID_UNKNOWN, BAD_USER_ACCESS_DENIED, GOOD, BAD_NODE_ID_UNKNOWN, BAD_SENSOR_FAILURE
    )
    assert "D1.b" in denied and "BadUserAccessDenied" in denied
    assert all(word in unknown for word in ("D1.a (s=A)", "D1.d (s=D)", "no such node", "telemetry browse"))
    assert "D1.e" not in denied + unknown  # a failed sensor is no mistake of anybody's


def test_it_stands_while_it_stands_and_no_longer() -> None:
    mismatches = Mismatches("D1", TAGS)
    wrong = (BAD_NODE_ID_UNKNOWN, GOOD, GOOD, GOOD, GOOD)
    first = told(mismatches, *wrong)
    assert told(mismatches, *wrong) is first  # not put together a second time
    assert told(mismatches, GOOD, GOOD, GOOD, GOOD, BAD_SENSOR_FAILURE) == ()
    assert told(mismatches, *wrong) == first
