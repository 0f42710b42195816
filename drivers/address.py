"""Addresses of devices as they may be shown: whoever writes a password into one must not find it in a log."""

import re
from typing import Final

_USER: Final = re.compile(r"//.*@")


def shown(address: str) -> str:
    """`address` without its user and password."""
    return _USER.sub("//***@", address)
