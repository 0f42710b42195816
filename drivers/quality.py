"""Quality of a reading: Good, Uncertain or Bad, with a reason.

A quality is the upper half of an OPC UA StatusCode (Part 4, 7.39), kept as ``uint16``: its two highest bits are the
severity, the rest names the reason. So one number carries both, arrays of it compare fast, and nothing that a server said
is lost in translation (the lower half holds flags about limits and overflow, never the reason). NE 107 classes map on it
(OPC 30142, 6.8.1.1): failure and check function are Bad, out of specification is Uncertain, maintenance stays Good.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

GOOD: Final = 0x0000
GOOD_LOCAL_OVERRIDE: Final = 0x0096
UNCERTAIN: Final = 0x4000
UNCERTAIN_NO_COMMUNICATION_LAST_USABLE: Final = 0x408F
UNCERTAIN_LAST_USABLE: Final = 0x4090
UNCERTAIN_SUBSTITUTE: Final = 0x4091
UNCERTAIN_SENSOR_NOT_ACCURATE: Final = 0x4093
UNCERTAIN_EU_EXCEEDED: Final = 0x4094
UNCERTAIN_SENSOR_CALIBRATION: Final = 0x420A
BAD: Final = 0x8000
BAD_COMMUNICATION_ERROR: Final = 0x8005
BAD_TIMEOUT: Final = 0x800A
BAD_USER_ACCESS_DENIED: Final = 0x801F
BAD_INVALID_TIMESTAMP: Final = 0x8023
BAD_WAITING_FOR_INITIAL_DATA: Final = 0x8032
BAD_NO_COMMUNICATION: Final = 0x8031
BAD_NODE_ID_INVALID: Final = 0x8033
BAD_NODE_ID_UNKNOWN: Final = 0x8034
BAD_ATTRIBUTE_ID_INVALID: Final = 0x8035
BAD_NOT_READABLE: Final = 0x803A
BAD_CONFIGURATION_ERROR: Final = 0x8089
BAD_NOT_CONNECTED: Final = 0x808A
BAD_DEVICE_FAILURE: Final = 0x808B
BAD_SENSOR_FAILURE: Final = 0x808C
BAD_OUT_OF_SERVICE: Final = 0x808D
BAD_OUT_OF_RANGE: Final = 0x803C
BAD_TYPE_MISMATCH: Final = 0x8074
BAD_NO_DATA: Final = 0x809B

NAMES: Final[dict[int, str]] = {
    GOOD_LOCAL_OVERRIDE: "GoodLocalOverride",
    UNCERTAIN: "Uncertain",
    UNCERTAIN_NO_COMMUNICATION_LAST_USABLE: "UncertainNoCommunicationLastUsableValue",
    UNCERTAIN_LAST_USABLE: "UncertainLastUsableValue",
    UNCERTAIN_SUBSTITUTE: "UncertainSubstituteValue",
    UNCERTAIN_SENSOR_NOT_ACCURATE: "UncertainSensorNotAccurate",
    UNCERTAIN_EU_EXCEEDED: "UncertainEngineeringUnitsExceeded",
    UNCERTAIN_SENSOR_CALIBRATION: "UncertainSensorCalibration",
    BAD: "Bad",
    BAD_COMMUNICATION_ERROR: "BadCommunicationError",
    BAD_TIMEOUT: "BadTimeout",
    BAD_USER_ACCESS_DENIED: "BadUserAccessDenied",
    BAD_INVALID_TIMESTAMP: "BadInvalidTimestamp",
    BAD_WAITING_FOR_INITIAL_DATA: "BadWaitingForInitialData",
    BAD_NO_COMMUNICATION: "BadNoCommunication",
    BAD_NODE_ID_INVALID: "BadNodeIdInvalid",
    BAD_NODE_ID_UNKNOWN: "BadNodeIdUnknown",
    BAD_ATTRIBUTE_ID_INVALID: "BadAttributeIdInvalid",
    BAD_NOT_READABLE: "BadNotReadable",
    BAD_CONFIGURATION_ERROR: "BadConfigurationError",
    BAD_NOT_CONNECTED: "BadNotConnected",
    BAD_DEVICE_FAILURE: "BadDeviceFailure",
    BAD_SENSOR_FAILURE: "BadSensorFailure",
    BAD_OUT_OF_SERVICE: "BadOutOfService",
    BAD_OUT_OF_RANGE: "BadOutOfRange",
    BAD_TYPE_MISMATCH: "BadTypeMismatch",
    BAD_NO_DATA: "BadNoData",
}

CODES: Final[dict[str, int]] = {name: code for code, name in NAMES.items()}
CLASSES: Final = ("Good", "Uncertain", "Bad", "Bad")


def class_of(code: int) -> str:
    """``Good``, ``Uncertain`` or ``Bad`` for one quality code."""
    return CLASSES[(code >> 14) & 3]


def reason_of(code: int) -> str | None:
    """The reason's OPC UA name; None for plain Good; the number in hexadecimal where the name is not in our table."""
    return None if code == GOOD else NAMES.get(code, f"{class_of(code)}0x{code:04X}")


def is_bad(codes: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Mask of the Bad among `codes` (shape kept)."""
    return codes >= BAD
