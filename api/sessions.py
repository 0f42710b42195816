"""Sessions: a random token for a signed-in person, kept in this process only, ending after a shift."""

import secrets
import time
from dataclasses import dataclass
from typing import Final

LENGTH_S: Final = 12 * 3600
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    user: str
    role: str
    permissions: tuple[str, ...]
    expires_s: float


class Sessions:
    """Bounded: where too many are open the oldest one ends."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def begin(self, user: str, role: str, permissions: tuple[str, ...]) -> tuple[str, Session]:
        """A new token and its session."""
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        token = secrets.token_urlsafe(32)
        session = Session(user, role, permissions, time.time() + LENGTH_S)
        self._open[token] = session
        return token, session

    def find(self, token: str) -> Session | None:
        session = self._open.get(token)
        if session is not None and session.expires_s < time.time():
            del self._open[token]
            return None
        return session

    def end(self, token: str) -> None:
        self._open.pop(token, None)
