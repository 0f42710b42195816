"""What one scan tells of a device, in sentences."""

import numpy as np

from drivers.frame import Frame, Layout, Scan, bad_frame
from drivers.probe import findings_of
from drivers.profile import ProfileTag
from drivers.quality import BAD_NODE_ID_UNKNOWN, BAD_SENSOR_FAILURE, GOOD, UNCERTAIN_SUBSTITUTE

TEXT = {"en": "x", "zh": "x"}
NAMES = ["a", "b", "c", "d", "e"]
TAGS = {
    name: ProfileTag.model_validate({"name": TEXT, "unit": unit, "range": span, "node": f"s={name.upper()}"})
    for name, unit, span in zip(NAMES, ["Pa", "", "", "", ""], [(0, 9), (0, 9), None, None, None], strict=True)
}
LAYOUT = Layout("D1", tuple(f"D1.{name}" for name in NAMES))


def scan(values: list[float], quality: list[int] | None = None, texts: dict[str, str | None] | None = None) -> Scan:
    codes = None if quality is None else np.array(quality, np.uint16)
    return Scan((Frame(LAYOUT, 0, 0, np.array(values), codes),), texts or {})


def test_a_device_that_is_well_has_no_findings() -> None:
    assert findings_of("D1", TAGS, scan([0, 9, 1e9, -1, 0], None, {"D1.t": "text"})) == ()


def test_a_failure_stands_alone() -> None:
    failed = Scan((bad_frame(LAYOUT, 0, 0, BAD_SENSOR_FAILURE),), {"D1.t": None}, "D1 does not answer")
    assert findings_of("D1", TAGS, failed) == ("D1 does not answer",)


def test_values_outside_their_range_are_named_with_it() -> None:
    assert findings_of("D1", TAGS, scan([12.5, -1, 0, 0, 0])) == (
        "D1.a reads 12.5 Pa, outside its range 0 to 9",
        "D1.b reads -1, outside its range 0 to 9",
    )


def test_one_sentence_for_each_reason() -> None:
    quality = [BAD_NODE_ID_UNKNOWN, UNCERTAIN_SUBSTITUTE, GOOD, BAD_NODE_ID_UNKNOWN, GOOD]
    unknown, substituted, text = findings_of("D1", TAGS, scan([np.nan, 5, 0, np.nan, 0], quality, {"D1.t": None}))
    assert unknown.startswith("D1.a (s=A), D1.d (s=D): the server has no such node")
    assert substituted == "D1.b: the device gives Uncertain (UncertainSubstituteValue)"
    assert text == "D1.t: no text could be read"


def test_a_sentence_names_three_tags_and_counts_the_rest() -> None:
    (sentence,) = findings_of("D1", TAGS, scan([np.nan] * 5, [BAD_SENSOR_FAILURE] * 5))
    assert sentence == "D1.a, D1.b, D1.c and 2 more: the device gives Bad (BadSensorFailure)"
