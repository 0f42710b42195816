"""Reaching a Modbus place: a TCP connection or a serial line opened, and why that failed in words that say what to look at."""

import asyncio
import errno
import os
import socket
import termios
from collections.abc import Callable
from typing import Final

from pymodbus.transport.serialtransport import SerialTransport
from serial import SerialException

from drivers.device import CONNECT_DEADLINE_S
from drivers.modbus.address import Place

_REASONS: Final = {
    errno.ECONNREFUSED: "nothing listens there; check the port, and that the device's Modbus server is switched on",
    errno.EHOSTUNREACH: "there is no way to it; check its address, its power and its network cable",
    errno.ENETUNREACH: "there is no way to its network; check its address and this machine's network",
    errno.ENOENT: "there is no such serial line; check the path and that the adapter is plugged in",
    errno.ENXIO: "there is no such serial line; check the path and that the adapter is plugged in",
    errno.ENODEV: "there is no such serial line; check the path and that the adapter is plugged in",
    errno.EIO: "the serial line is gone; check that the adapter is plugged in",
    errno.ENOTTY: "that is no serial line; check the path",
    errno.EISDIR: "that is no serial line; check the path",
    errno.EACCES: "this account may not use it; add it to the group that owns the line (often dialout)",
    errno.EBUSY: "another program holds the serial line; stop that one",
    errno.EAGAIN: "another program holds the serial line; stop that one",
}


class NotReached(Exception):
    """The text says why, as part of a sentence."""


async def reach(place: Place, protocol: asyncio.Protocol, made: Callable[[asyncio.BaseTransport], None]) -> None:
    """Connects `protocol` to `place`; `made` is called before anything can arrive. Raises NotReached."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            if place.kind == "serial":
                transport = SerialTransport(
                    loop, protocol, place.host, place.baud, 8, place.parity, place.stop, timeout=0
                )
                made(transport)
                transport.setup()
            else:
                await loop.create_connection(lambda: protocol, place.host, place.port)
    except TimeoutError:
        raise NotReached(f"no answer within {CONNECT_DEADLINE_S:g} s; check its address and its power") from None
    except termios.error:  # which is no OSError
        bits = "1 stop bit" if place.stop == 1 else f"{place.stop} stop bits"
        why = f"the line does not take {place.baud} baud, parity {place.parity} and {bits}; correct its address"
        raise NotReached(why) from None
    except UnicodeError:
        raise NotReached("this cannot be the name of a host; correct its address") from None
    except (OSError, ValueError) as error:
        nameless = isinstance(error, SerialException) and error.errno is None
        raise NotReached("that is no serial line; check the path" if nameless else reason(error)) from None


def reason(error: Exception) -> str:
    """Why a connection failed or ended."""
    if isinstance(error, socket.gaierror):
        return "nobody knows its name; check the address, or this machine's name server"
    number = getattr(error, "errno", None)
    if isinstance(error, SerialException) and number is None:
        return "the adapter was unplugged, or another program reads from the same line"
    if not isinstance(number, int):
        return str(error).rstrip(".") or type(error).__name__
    return _REASONS.get(number) or os.strerror(number)
