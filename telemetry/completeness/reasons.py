"""Why a reading is not Good, in the few words of the plant; the OPC UA name of the code stands beside them."""

from typing import Final

from drivers import quality as q

NOT_RECORDED: Final = "not recorded"
"""Nothing came and nobody said why: what must never be."""
NOT_STORED: Final = "not stored yet"
NO_RECORD: Final = "no record came"
NOT_LOOKED_INTO: Final = "not looked into"

_WORDS: Final[dict[int, str]] = {
    **dict.fromkeys(
        (
            q.BAD_COMMUNICATION_ERROR,
            q.BAD_TIMEOUT,
            q.BAD_NO_COMMUNICATION,
            q.BAD_NOT_CONNECTED,
            q.BAD_WAITING_FOR_INITIAL_DATA,
        ),
        "device lost",
    ),
    **dict.fromkeys(
        (
            q.BAD_CONFIGURATION_ERROR,
            q.BAD_USER_ACCESS_DENIED,
            q.BAD_NODE_ID_INVALID,
            q.BAD_NODE_ID_UNKNOWN,
            q.BAD_ATTRIBUTE_ID_INVALID,
            q.BAD_NOT_READABLE,
            q.BAD_TYPE_MISMATCH,
        ),
        "not readable as configured",
    ),
    q.BAD_DEVICE_FAILURE: "device failed",
    q.BAD_SENSOR_FAILURE: "sensor failed",
    q.BAD_OUT_OF_SERVICE: "out of service",
    q.BAD_OUT_OF_RANGE: "sensor out of range",
    q.UNCERTAIN_EU_EXCEEDED: "sensor out of range",
    q.UNCERTAIN_LAST_USABLE: "sensor frozen",
    q.UNCERTAIN_SENSOR_NOT_ACCURATE: "sensor too fast",
    q.UNCERTAIN_NO_COMMUNICATION_LAST_USABLE: "sensor stale",
    q.BAD_INVALID_TIMESTAMP: "sensor stale",
    q.UNCERTAIN_SENSOR_CALIBRATION: "calibration not valid",
}


def word(code: int) -> str:
    """For one quality code that is not Good; where the plant has no word for it, OPC UA's."""
    return _WORDS.get(code) or q.reason_of(code) or ""
