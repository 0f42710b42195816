"""The historian's work step by step, for tests that look in between: a journal into frames, these into minutes and hours."""

from pathlib import Path

from telemetry.historian.rollups import Rollups
from telemetry.historian.store import Connection, Store
from telemetry.journal import format as form
from tests.historian.journals import WRITER, read


class Keeping:
    """The historian's part: what is in the journal into frames, and from there into minutes and hours."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self.connection, self.folder = connection, folder
        self.store = Store(connection, WRITER)
        self.stored = self.store.position("frames")
        self.rollups = Rollups(connection, WRITER, folder, lambda: self.store.layouts)

    def store_frames(self, most: int = 10**9) -> None:
        records = [x for x in read(self.folder, "frames", self.stored) if x.number > self.stored][:most]
        if records:
            told = [form.unpack_layout(x.body) for x in records if x.kind == form.LAYOUT]
            self.store.frames(records, {x.id: x for x in told}, self.stored)
            self.stored = records[-1].number

    def follow(self) -> None:
        """All that is stored is merged, the open minute too."""
        while self.rollups.follow(self.stored) or self.rollups.position < self.stored:
            pass
        self.rollups.close()


def kept(connection: Connection, folder: Path) -> Keeping:
    keeping = Keeping(connection, folder)
    keeping.store_frames()
    keeping.follow()
    return keeping
