# pyright: reportArgumentType=false
# (asyncua declares identifiers and status codes as types of their own, and takes plain numbers)
"""Browse and BrowseNext on a device of the load form: the answer in parts, where it is larger than was asked for."""

import secrets
import struct
from typing import Any, Final

from asyncua import ua

from simulators.load.nodes import DeviceNodes

_REFERENCES: Final = 1_000
_REMEMBERED: Final = 64


class Browsing:
    """What one session browses in `nodes`, and where it has to go on."""

    def __init__(self, nodes: DeviceNodes) -> None:
        self._nodes = nodes
        self._rests: dict[bytes, list[ua.ReferenceDescription]] = {}

    def browse(self, asked: Any) -> Any:
        response: Any = ua.BrowseResponse()
        room = min(asked.RequestedMaxReferencesPerNode or _REFERENCES, _REFERENCES)
        for description in asked.NodesToBrowse:
            found = self._nodes.references(description)
            response.Results.append(
                ua.BrowseResult(ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown))
                if found is None
                else self._part(list(found), room)
            )
        return response

    def _part(self, found: list[ua.ReferenceDescription], room: int) -> ua.BrowseResult:
        """As many references as there is room for, and where there are more, the point at which to go on."""
        point = None
        if len(found) > room:
            point = struct.pack("<I", room) + secrets.token_bytes(8)
            self._rests[point] = found[room:]
            while len(self._rests) > _REMEMBERED:
                self._rests.pop(next(iter(self._rests)))
        return ua.BrowseResult(ua.StatusCode(), point, found[:room])

    def browse_next(self, asked: Any) -> Any:
        response: Any = ua.BrowseNextResponse()
        for point in asked.ContinuationPoints:
            rest = self._rests.pop(point, None)
            if rest is None:
                result = ua.BrowseResult(ua.StatusCode(ua.StatusCodes.BadContinuationPointInvalid))
            elif asked.ReleaseContinuationPoints:
                result = ua.BrowseResult(ua.StatusCode())
            else:
                result = self._part(rest, struct.unpack_from("<I", point)[0])
            response.Parameters.Results.append(result)
        return response
