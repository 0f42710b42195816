"""What may go, and when: raw rows whose archive is proven, and archives at the end of their retention. Each deletion is audited.

The order is always: prove, tell the engine, delete. Where the engine does not answer nothing is deleted, because nobody could
say afterwards who did it.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from telemetry.archive.archiving import archive_day
from telemetry.archive.damage import ArchiveDamaged
from telemetry.archive.minutes import MINUTES, drop_minutes, proven
from telemetry.archive.place import CLASSES, ArchiveClass, ArchivedDay, days_in
from telemetry.archive.reading import manifest_of
from telemetry.archive.source import TABLES, Chunk, Registered, Source, bounds
from telemetry.archive.verify import altered_files, digest_of
from telemetry.archive.writing import Archive
from telemetry.errors import Refusal
from telemetry.plant.schema import ClassRetention, Retention

Said = Callable[[str], None]
Audit = Callable[[dict[str, Any]], None]
"""Has one event recorded, or raises Refusal."""
LATE_MARGIN: Final = timedelta(minutes=10)
"""An event of late data may be older than the moment at which its rows could be seen in the database."""
MOST_AT_ONCE: Final = 7
"""Days of a class that are deleted in one run: each day one becomes due. More are a wrong clock, or for a person to allow."""

MOST_MINUTES_AT_ONCE: Final = 28
"""Days of minutes: they go by the week."""


class Keeping:
    """One run over everything that is due at `now`. What cannot be done is said in `failures`, and the rest goes on."""

    def __init__(
        self,
        source: Source,
        archive: Archive,
        retention: Retention,
        now: datetime,
        said: Said,
        audit: Audit,
        allowed: bool = False,
    ) -> None:
        """allowed: a person says that the clock is right and that all that is due by it may be deleted."""
        self.source, self.archive, self.retention = source, archive, retention
        self.now, self.said, self.audit, self.allowed = now, said, audit, allowed
        self.newest = max((day.day for day in days_in(archive.folder)), default=None)
        """The newest day that was archived before this run."""
        self.failures: list[Refusal] = []

    def register(self) -> None:
        """Tells the database what the archive holds: after a restore from a backup it may not know all of it."""
        registered = {(one.archive_class, one.day, one.version): one for one in self.source.registered()}
        known = {ArchivedDay(r.archive_class, r.day, r.version, self.archive.folder) for r in registered.values()}
        for day in sorted(known.union(days_in(self.archive.folder))):
            self._try(self._register, day, registered.get((day.archive_class, day.day, day.version)))

    def _register(self, day: ArchivedDay, known: Registered | None) -> None:
        if not day.manifest.exists():
            raise Refusal(
                f"The database says that {day} is archived, and {day.manifest} is missing.",
                "Put the archive folder back where it was, or restore it from a backup.",
            )
        if known is not None:
            if digest_of(day) != known.manifest_sha256:
                raise ArchiveDamaged(
                    day.manifest, "is not the manifest that the database knows: one of the two was altered"
                )
        elif not day.deletion.exists():
            made = manifest_of(day)
            # With an older database the frames went too; readings then look into the archive.
            whole = sum(manifest_of(one).rows for one in self.archive.versions(day.archive_class, day.day))
            gone = day.archive_class in TABLES and self.source.count(day.archive_class, day.day) < whole
            self.source.register(day, made, digest_of(day), datetime.fromisoformat(made.made), dropped=gone)

    def due(self, archive_class: ArchiveClass) -> list[date]:
        """Closed days without an archive, those without any row too: a day that is not there is then always a fault."""
        first, through = self.source.first_day(archive_class), self.source.through(archive_class)
        if first is None or through is None:
            return []
        archived = {row.day for row in self.source.registered() if row.archive_class == archive_class}
        first = min((first, *archived))
        closed = closed_days(first, min(through, self.now), self.retention.archive_after_days)
        return [day for day in closed if day not in archived and not self.archive.versions(archive_class, day)]

    def archive_due(self) -> None:
        for archive_class in CLASSES:
            for day in self.due(archive_class):
                self._try(archive_day, self.source, self.archive, archive_class, day, self.said)

    def archive_one(self, day: date) -> None:
        """One day of all classes, as soon as it is over and stored. Raises Refusal."""
        found = False
        for archive_class in CLASSES:
            first, through = self.source.first_day(archive_class), self.source.through(archive_class)
            if first is None or through is None:
                continue
            if day not in closed_days(day, min(through, self.now), 0):
                raise Refusal(
                    f"{day} is not over yet: {archive_class} is stored up to {through.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.",
                    "Archive it when the day (of UTC) has ended and the historian has stored what came after it.",
                )
            if day >= first or self.archive.versions(archive_class, day):
                found = True
                fresh, _ = archive_day(self.source, self.archive, archive_class, day, self.said)
                if fresh is None:
                    self.said(f"{archive_class} of {day}: nothing new, and what is archived is as it was")
        if not found:
            raise Refusal(f"The database holds nothing of {day}.", "The view coverage shows which days there are.")

    def archive_late(self) -> None:
        """Addenda for archived days that late data came for: those that the engine told of, and those that were dropped
        already and have rows again."""
        since = self.now - timedelta(days=max(self.retention.gmp.raw_days, self.retention.diagnostic.raw_days))
        told = self.source.late_days(since)
        checked: dict[tuple[ArchiveClass, date], datetime] = {}
        dropped: set[tuple[ArchiveClass, date]] = set()
        for row in self.source.registered():
            key = (row.archive_class, row.day)
            seen = max(row.archived, row.verified or row.archived)
            checked[key] = max(seen, checked.get(key, seen))
            if row.dropped:
                dropped.add(key)
        again = dropped & {(c, day) for c in TABLES for chunk in self.source.chunks(c) for day in chunk.days}
        late = {
            key
            for key, seen in checked.items()
            if key[0] in TABLES and key[1] in told and told[key[1]] > seen - LATE_MARGIN
        }
        for archive_class, day in sorted(again | late):
            self._try(archive_day, self.source, self.archive, archive_class, day, self.said)

    def drop(self) -> None:
        """Drops chunks older than raw_days, each when the archive of all its days is proven against it."""
        for archive_class in TABLES:
            limit = self.now - timedelta(days=self.of(archive_class).raw_days)
            for chunk in self.source.chunks(archive_class):
                if chunk.end <= limit:
                    self._try(self._drop, archive_class, chunk)

    def _drop(self, archive_class: ArchiveClass, chunk: Chunk) -> None:
        rows, manifests = 0, list[str]()
        for day in chunk.days:
            versions = self.archive.versions(archive_class, day)
            if not versions:
                return  # a day that is not closed stays; why a closed one is not archived was said
            archive_day(self.source, self.archive, archive_class, day, self.said)  # late data that nobody told of
            fresh, stored = archive_day(self.source, self.archive, archive_class, day, self.said)
            if fresh is not None:
                raise Refusal(
                    f"Data still come for {archive_class} of {day}, so its raw data stay.", "Try again later."
                )
            rows += stored
            manifests += [digest_of(version) for version in self.archive.versions(archive_class, day)]
        what = {"kind": "deletion", "what": "raw readings", "class": archive_class, "rows": rows, "manifests": manifests,
                "start": chunk.start.astimezone(UTC).isoformat(), "end": chunk.end.astimezone(UTC).isoformat(),
                "reason": f"raw_days ({self.of(archive_class).raw_days}) have passed and the archive is proven"}  # fmt: skip
        self.audit(what)
        self.source.drop(archive_class, chunk, rows)
        self.said(f"{archive_class} of {chunk.days[0]}: {rows} rows dropped from the database")

    def drop_minutes(self) -> None:
        """Drops weeks of minutes older than minutes_days, the oldest first; the hours stay for ever."""
        limit = self.now - timedelta(days=self.retention.minutes_days)
        self._try(self._drop_minutes, [chunk for chunk in self.source.chunks_of(MINUTES) if chunk.end <= limit])

    def _drop_minutes(self, due: Sequence[Chunk]) -> None:
        self._clock_fits(MINUTES, {day for chunk in due for day in chunk.days}, MOST_MINUTES_AT_ONCE)
        for chunk in due:
            rows = proven(self.source, chunk)
            what = {"kind": "deletion", "what": "minutes", "rows": rows,
                    "start": chunk.start.astimezone(UTC).isoformat(), "end": chunk.end.astimezone(UTC).isoformat(),
                    "reason": f"minutes_days ({self.retention.minutes_days}) have passed and the hours are there"}  # fmt: skip
            self.audit(what)
            drop_minutes(self.source, chunk)
            self.said(f"minutes of the week from {chunk.days[0]} on: {rows} rows dropped from the database")

    def expire(self) -> None:
        """Deletes archives older than keep_days, never younger than the legal minimum where it holds; not where the clock is in
        doubt. What a run began that died is finished."""
        registered = {(one.archive_class, one.day, one.version) for one in self.source.registered()}
        for archive_class in CLASSES:
            keep_days = self.of(archive_class).keep_days
            if archive_class != "diagnostic":
                keep_days = max(keep_days, self.retention.minimum_days)
            due: list[ArchivedDay] = []
            for day in sorted(days_in(self.archive.folder, archive_class)):
                if day.deletion.exists():
                    if day.parquet.exists() or (archive_class, day.day, day.version) in registered:
                        self._try(self._finish, day)
                elif bounds(day.day)[1] + timedelta(days=keep_days) <= self.now:
                    due.append(day)
            self._try(self._expire_all, archive_class, due, keep_days)

    def _expire_all(self, archive_class: ArchiveClass, due: Sequence[ArchivedDay], keep_days: int) -> None:
        self._clock_fits(f"{archive_class} of the archive", {day.day for day in due})
        for day in due:
            self._try(self._expire, day, keep_days)

    def _clock_fits(self, what: str, days: Collection[date], most: int = MOST_AT_ONCE) -> None:
        """Raises Refusal where the clock alone says that `days` are so old: deleted is deleted."""
        if not days or self.allowed:
            return
        remedy = (
            "Set the clock right. If it is right (a long standstill, a shorter retention), a person allows it: "
            "telemetry archive --due --clock-is-right"
        )
        today = self.now.astimezone(UTC).date()
        behind = self.retention.archive_after_days + 2
        if self.newest is not None and (today - self.newest).days > behind:
            raise Refusal(
                f"The clock says {today}, and the newest day archived before is {self.newest}: {len(days)} days of {what} would be "
                "deleted by a clock that may be wrong. None was.",
                remedy,
            )
        if len(days) > most:
            raise Refusal(
                f"By the clock, which says {today}, {len(days)} days of {what} would be deleted at once ({min(days)} to "
                f"{max(days)}). None was.",
                remedy,
            )

    def _expire(self, day: ArchivedDay, keep_days: int) -> None:
        for damage in altered_files(day):
            raise damage
        digest, reason = digest_of(day), f"keep_days ({keep_days}) have passed"
        what = {"kind": "deletion", "what": "archive", "class": day.archive_class, "day": day.day.isoformat(),
                "version": day.version, "rows": manifest_of(day).rows, "manifests": [digest], "reason": reason}  # fmt: skip
        self.audit(what)
        self.archive.delete(day, digest, reason)
        self.source.forget(day)
        self.said(f"{day}: deleted from the archive, {reason}")

    def _finish(self, day: ArchivedDay) -> None:
        """The rest of a deletion that is noted: whoever noted it died before the rows were gone."""
        for damage in altered_files(day):
            raise damage
        day.parquet.unlink(missing_ok=True)
        self.source.forget(day)
        self.said(f"{day}: deleted from the archive, as was noted before")

    def of(self, archive_class: ArchiveClass) -> ClassRetention:
        """The policy of a class; events are kept with the gmp data that they explain, and stay in the database too."""
        return self.retention.diagnostic if archive_class == "diagnostic" else self.retention.gmp

    def _try(self, act: Callable[..., object], *given: object) -> None:
        try:
            act(*given)
        except Refusal as refusal:
            self.failures.append(refusal)
            self.said(str(refusal))


def closed_days(first: date, through: datetime, after_days: int) -> list[date]:
    """Days from `first` on that ended at least `after_days` before `through` (the day of UTC is what counts)."""
    behind = (through - timedelta(days=after_days)).astimezone(UTC).date()
    return [first + timedelta(days=n) for n in range(max(0, (behind - first).days))]
