"""How many operations go into one request. What a server bears is learned anew on every session, and again within one: few state a
limit, some bear less than they state, and one that is busy for a moment bears hardly anything until it is well again."""

from typing import Final

ROUNDS: Final = 5
"""Rounds that go well before twice as many are tried."""
ROUNDS_AT_MOST: Final = 3600
"""The same where more was refused again and again: each refusal doubles the wait."""


class Portion:
    """size: operations in one request now; most: never more. stated: the server's own limit, 0 where it states none."""

    def __init__(self, most: int, stated: int = 0) -> None:
        self.size = self.most = max(1, min(most, stated) if stated > 0 else most)
        self._good, self._rounds, self._trying = 0, ROUNDS, False

    def refused(self, asked: int) -> bool:
        """The server calls `asked` operations too many. Whether fewer can be asked."""
        if asked <= 1:
            return False
        if self._trying:
            self._rounds = min(2 * self._rounds, ROUNDS_AT_MOST)
        self.size, self._good, self._trying = asked // 2, 0, False
        return True

    def borne(self) -> bool:
        """A whole round went well. Whether more is asked from now on."""
        if self._trying:
            self._rounds, self._trying = ROUNDS, False
        if self.size == self.most:
            return False
        self._good += 1
        if self._good < self._rounds:
            return False
        self.size, self._good, self._trying = min(2 * self.size, self.most), 0, True
        return True
