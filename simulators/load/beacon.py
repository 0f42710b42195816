"""The horn and lamp of the load plant: every plant needs one to be heard. Two coils that hold what was written."""

from typing import Final

from simulators.faces.modbus_line import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, exception
from simulators.wire import Wire

BEACON: Final = "LOAD-BCN"
COILS: Final = ("horn", "lamp")
_ON: Final = 0xFF00
_READ, _WRITE_ONE, _WRITE_MANY = 1, 5, 15


class BeaconUnit:
    """Coils 0 and 1. It knows functions 1, 5 and 15."""

    def __init__(self) -> None:
        self.coils = [False] * len(COILS)
        self.wire = Wire()
        self.absent = False

    def answer(self, request: bytes) -> bytes:
        """The PDU that answers the PDU `request`."""
        if request[0] not in (_READ, _WRITE_ONE, _WRITE_MANY):
            return exception(request, ILLEGAL_FUNCTION)
        if len(request) < 5:
            return exception(request, ILLEGAL_VALUE)
        first, given = int.from_bytes(request[1:3], "big"), int.from_bytes(request[3:5], "big")
        end = first + (1 if request[0] == _WRITE_ONE else given)
        if not first < end <= len(COILS):
            return exception(request, ILLEGAL_ADDRESS)
        if request[0] == _READ:
            return bytes((_READ, 1, sum(on << n for n, on in enumerate(self.coils[first:end]))))
        if request[0] == _WRITE_ONE:
            self.coils[first] = given == _ON
            return request
        if len(request) != 7:
            return exception(request, ILLEGAL_VALUE)
        self.coils[first:end] = [bool(request[6] >> n & 1) for n in range(given)]
        return request[:5]
