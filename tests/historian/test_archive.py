"""Closed days as signed Parquet files: everything that the database held, readable alone, proven against each flipped byte."""

import errno
import json
import random
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from telemetry.archive import signing
from telemetry.archive.form import LAYOUTS_KEY
from telemetry.archive.manifest import packed
from telemetry.archive.place import ArchivedDay
from telemetry.archive.reading import ArchiveDamaged, archived, manifest_of, rows
from telemetry.archive.writing import Tally
from telemetry.errors import Refusal
from tests.historian.archives import (
    COUNTER,
    ISOLATOR,
    SERVICE,
    Keeper,
    Stock,
    day,
    flipped,
    nanoseconds,
    noon,
    values_of,
)

ALL_DAY = (nanoseconds(noon(0)) - 43_200 * 10**9, nanoseconds(noon(0)) + 43_200 * 10**9)
COLUMNS = 'time, layout, received, committed, late, source, quality, "values"'


@pytest.fixture
def stock(database_url: str) -> Iterator[Stock]:
    one = Stock(database_url)
    yield one
    one.close()


@pytest.fixture
def keeper(database_url: str, tmp_path: Path) -> Iterator[Keeper]:
    one = Keeper(database_url, tmp_path / "plant")
    yield one
    one.close()


@pytest.fixture
def three_days(stock: Stock, keeper: Keeper) -> Keeper:
    """Days 0 to 2 archived, day 3 not yet due, day 4 open."""
    stock.days(4)
    keeping = keeper.on(noon(4))
    keeping.archive_due()
    assert keeping.failures == []
    return keeper


def only(keeper: Keeper, archive_class: str, n: int, version: int = 1) -> ArchivedDay:
    return next(one for one in archived(keeper.folder)[(archive_class, day(n))] if one.version == version)


def test_a_day_reads_back_as_the_database_holds_it(three_days: Keeper, stock: Stock) -> None:
    held = archived(three_days.folder)
    assert sorted(held) == sorted((c, day(n)) for c in ("gmp", "diagnostic", "event") for n in range(3))
    for layout, table in ((ISOLATOR, "frame"), (COUNTER, "frame"), (SERVICE, "frame_diagnostic")):
        one = only(three_days, "diagnostic" if layout is SERVICE else "gmp", 0)
        stored = stock.asked(
            f"select {COLUMNS} from {table} where layout = %s and time::date = %s order by time", layout.id, day(0)
        )
        assert values_of(list(rows(one, [layout.id], *ALL_DAY))) == stored
        assert len(stored) > 2


def test_only_what_is_asked_for_is_read(three_days: Keeper) -> None:
    one = only(three_days, "gmp", 0)
    start = nanoseconds(noon(0) + timedelta(seconds=4))
    some = list(rows(one, [ISOLATOR.id], start, start + 3 * 10**9, ("time", "values")))
    assert [row["time"] for batch in some for row in batch.to_pylist()] == [
        noon(0) + timedelta(seconds=n) for n in (4, 5, 6)
    ]
    assert some[0].schema.names == ["time", "values"]
    assert list(rows(one, [SERVICE.id], *ALL_DAY)) == list(rows(one, [ISOLATOR.id], start, start)) == []
    both = list(rows(one, [ISOLATOR.id, COUNTER.id], *ALL_DAY))
    assert {row["layout"] for batch in both for row in batch.to_pylist()} == {ISOLATOR.id, COUNTER.id}


def test_a_file_says_by_itself_what_is_in_it(three_days: Keeper) -> None:
    with pq.ParquetFile(only(three_days, "gmp", 0).parquet) as file:
        layouts = json.loads(file.schema_arrow.metadata[LAYOUTS_KEY])
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    told = layouts[str(ISOLATOR.id)]
    assert (told["device"], told["record"], told["class"]) == ("L01-ISO", False, "gmp")
    assert [tag["id"] for tag in told["tags"]] == list(ISOLATOR.tags)
    assert (told["tags"][0]["unit"], told["tags"][0]["name_zh"]) == ("Pa", "压力")
    assert layouts[str(COUNTER.id)]["record"]
    assert sorted(groups) == [3, 20]


def test_the_manifest_counts_and_the_whole_is_proven(three_days: Keeper, stock: Stock) -> None:
    told = manifest_of(only(three_days, "gmp", 1))
    assert told.layouts == {str(ISOLATOR.id): 20, str(COUNTER.id): 3}
    assert (told.rows, told.number, told.configurations) == (23, 2, ["digest 0", "digest 1"])
    assert told.first == noon(1).isoformat()
    report = three_days.verified()
    assert report.wrong == report.noted == []
    assert (report.manifests, report.rows, report.events) == (9, 3 * (23 + 10 + 2), 6)
    registered = stock.asked("select class, day, version, rows, dropped from archived_day order by 1, 2")
    assert registered[-3:] == [("gmp", day(n), 1, 23, None) for n in range(3)]
    assert stock.asked("select archived_versions from coverage where class = 'gmp' order by day") == [1, 1, 1, 0, 0]


def test_plain_openssl_verifies_it(three_days: Keeper, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl here")
    one = only(three_days, "gmp", 0)
    certificate = next((three_days.folder / "certificates").glob("*.pem"))
    key = tmp_path / "public.pem"
    with key.open("wb") as file:
        subprocess.run([openssl, "x509", "-in", certificate, "-pubkey", "-noout"], stdout=file, check=True)
    command = [openssl, "dgst", "-sha256", "-verify", str(key), "-signature", str(one.signature), str(one.manifest)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "Verified OK"
    digest = subprocess.run(["sha256sum", one.parquet], capture_output=True, text=True, check=True).stdout.split()[0]
    assert digest == manifest_of(one).files[0].sha256


@pytest.mark.parametrize("archive_class", ["gmp", "event"])
@pytest.mark.parametrize("kind", ["parquet", "manifest", "signature"])
def test_any_flipped_byte_is_found_and_its_file_named(three_days: Keeper, archive_class: str, kind: str) -> None:
    one = only(three_days, archive_class, 1)
    path: Path = getattr(one, kind)
    whole = path.read_bytes()
    places = random.Random(kind).sample(range(len(whole)), min(40, len(whole)))
    for at in (0, len(whole) - 1, *places):
        flipped(path, at)
        for where in (three_days.folder, path):
            wrong = three_days.verified(where).wrong
            named = one.manifest if kind == "signature" else path
            assert wrong and str(named) in wrong[0], (at, wrong)
        path.write_bytes(whole)
    assert three_days.verified().wrong == []


def test_a_flipped_byte_of_the_certificate_is_found(three_days: Keeper) -> None:
    path = next((three_days.folder / "certificates").glob("*.pem"))
    flipped(path, 200)
    wrong = three_days.verified().wrong
    assert f"{path} is no certificate" in wrong[0]
    assert any("whose certificate is not in the archive" in sentence for sentence in wrong)


def test_what_is_missing_added_or_moved_is_named(three_days: Keeper) -> None:
    first, second, third = (only(three_days, "gmp", n) for n in range(3))
    aside = three_days.folder.parent / "aside"
    for path, said in (
        (second.parquet, f"{second.parquet} is missing"),
        (second.signature, f"{second.signature} is missing"),
        (second.manifest, f"{second.parquet} has no manifest beside it"),
    ):
        path.rename(aside)
        assert said in three_days.verified().wrong
        aside.rename(path)
    second.manifest.rename(aside)
    assert any("manifests 2 to 2 of class gmp are missing" in sentence for sentence in three_days.verified().wrong)
    aside.rename(second.manifest)
    shutil.copy(third.parquet, third.parquet.with_name("2026-03-09.v1.parquet"))
    assert "2026-03-09.v1.parquet has no manifest" in three_days.verified().wrong[0]
    third.parquet.with_name("2026-03-09.v1.parquet").unlink()
    for ending in ("parquet", "manifest", "signature"):  # two days change places
        getattr(first, ending).rename(aside)
        getattr(second, ending).rename(getattr(first, ending))
        aside.rename(getattr(second, ending))
    wrong = three_days.verified().wrong
    assert f"{first.manifest} is that of gmp {day(1)} version 1" in wrong
    assert f"{second.manifest} is that of gmp {day(0)} version 1" in wrong


def test_every_file_that_was_put_there_is_named(three_days: Keeper) -> None:
    first = only(three_days, "gmp", 0)
    copied = three_days.folder / "foo"
    shutil.copytree(three_days.folder / "gmp", copied)
    added = [*(path for path in copied.rglob("*") if path.is_file())]
    for path in (
        first.parquet.with_name("extra.txt"),
        three_days.folder / "read me",
        three_days.folder / "event" / "link",
    ):
        path.symlink_to(first.parquet)
        added.append(path)
    report = three_days.verified()
    assert sorted(report.wrong) == sorted(f"{path} does not belong to the archive" for path in added)
    assert report.noted == []
    assert [sentence.split()[0] for sentence in three_days.verified(first.parquet.parent).wrong] == [
        str(first.parquet.with_name("extra.txt"))
    ]


def test_a_file_that_is_being_written_is_noted_and_no_fault(three_days: Keeper) -> None:
    begun = only(three_days, "gmp", 0).parquet.with_name("2026-03-09.v1.parquet.partial")
    begun.write_bytes(b"PAR1")
    report = three_days.verified()
    assert report.wrong == []
    assert report.noted == [f"{begun} was not finished: it is being written, or its writer was killed"]


def test_an_anchor_proves_who_signed(three_days: Keeper, tmp_path: Path) -> None:
    own = signing.certificate_in(three_days.keys / "archive" / "certificate.pem")
    assert three_days.verified(anchors=[own]).wrong == []
    other = signing.signer(tmp_path / "other keys", tmp_path / "other archive", "another").certificate
    wrong = three_days.verified(anchors=[other]).wrong
    assert len(wrong) == 9
    assert "none of the anchors" in wrong[0]


def test_a_whole_archive_signed_anew_by_another_fails_the_anchor_alone(three_days: Keeper, database_url: str) -> None:
    own = signing.certificate_in(three_days.keys / "archive" / "certificate.pem")
    forger = Keeper(database_url, three_days.folder.parent / "forged")
    forger.on(noon(4)).archive_one(day(0))
    forger.close()
    assert forger.verified().wrong == []
    assert all("none of the anchors" in sentence for sentence in forger.verified(anchors=[own]).wrong)
    assert len(forger.verified(anchors=[own]).wrong) == 3


def test_a_day_without_rows_has_a_manifest_that_says_so(stock: Stock, keeper: Keeper) -> None:
    for n in (0, 3):
        stock.frames(noon(n), 5)
        stock.event(noon(n), {"kind": "act", "n": n})
    keeping = keeper.on(noon(3))
    keeping.archive_due()
    assert keeping.failures == []
    empty = only(keeper, "gmp", 1)
    assert (manifest_of(empty).rows, manifest_of(empty).files, empty.parquet.exists()) == (0, [], False)
    assert list(rows(empty, [ISOLATOR.id], *ALL_DAY)) == []
    assert keeper.verified().wrong == []
    empty.manifest.unlink()
    assert keeper.verified().wrong == [f"{empty.signature} has no manifest beside it"]


def test_an_open_day_is_not_archived(stock: Stock, keeper: Keeper) -> None:
    stock.days(1)
    with pytest.raises(Refusal, match=r"2026-03-02 is not over yet: gmp is stored up to 2026-03-02 12:12:00"):
        keeper.on(noon(9)).archive_one(day(1))
    assert keeper.on(noon(9)).due("gmp") == [], "day 0 is over since twelve hours, and one day has to pass"
    keeper.on(noon(9)).archive_one(day(0))
    assert sorted(archived(keeper.folder)) == sorted((c, day(0)) for c in ("gmp", "diagnostic", "event"))


def test_a_day_that_is_not_there(stock: Stock, keeper: Keeper) -> None:
    stock.days(2)
    with pytest.raises(Refusal, match=r"holds nothing of 2026-02-26.*coverage"):
        keeper.on(noon(9)).archive_one(day(-3))
    assert archived(keeper.folder) == {}


def test_archiving_again_adds_nothing(three_days: Keeper) -> None:
    before = sorted(three_days.folder.rglob("*"))
    three_days.on(noon(4)).archive_one(day(1))
    assert sorted(three_days.folder.rglob("*")) == before
    assert "gmp of 2026-03-02: nothing new" in "\n".join(three_days.said)


def test_late_data_make_an_addendum_with_only_what_is_new(three_days: Keeper, stock: Stock) -> None:
    stock.frames(noon(1) + timedelta(hours=1), 7, COUNTER, late=True)
    stock.frames(noon(1) + timedelta(seconds=3, milliseconds=500), 1)  # between rows that are archived
    three_days.on(noon(4)).archive_one(day(1))
    addendum = only(three_days, "gmp", 1, 2)
    told = manifest_of(addendum)
    assert told.layouts == {str(COUNTER.id): 7, str(ISOLATOR.id): 1}
    assert told.follows == sha256(only(three_days, "gmp", 1).manifest.read_bytes()).hexdigest()
    assert (told.number, told.version) == (4, 2)
    stored = stock.asked(f"select {COLUMNS} from frame where layout = %s and late order by time", COUNTER.id)
    start = nanoseconds(noon(1))
    assert values_of(list(rows(addendum, [COUNTER.id], start, start + 10**13))) == stored
    assert three_days.verified().wrong == []
    assert [(c, d) for c, d in archived(three_days.folder) if len(archived(three_days.folder)[(c, d)]) > 1] == [
        ("gmp", day(1))
    ]


def test_the_event_of_late_data_is_enough_to_make_the_addendum(three_days: Keeper, stock: Stock) -> None:
    stock.frames(noon(1) + timedelta(hours=1), 2, COUNTER, late=True)
    first = nanoseconds(noon(1))
    now = stock.asked("select now()")[0]
    stock.event(
        now, {"kind": "late_data", "device": "L01-PC1", "first_ns": first, "last_ns": first + 10**12, "records": 2}
    )
    keeping = three_days.on(now)
    keeping.archive_late()
    assert keeping.failures == []
    assert manifest_of(only(three_days, "gmp", 1, 2)).rows == 2
    assert len(archived(three_days.folder)[("gmp", day(0))]) == 1


def test_a_row_altered_in_the_database_is_not_taken_for_a_new_one(three_days: Keeper, stock: Stock) -> None:
    stock.connection.execute(
        'update frame set "values"[2] = 99 where layout = %s and time = %s',
        (ISOLATOR.id, noon(1) + timedelta(seconds=8)),
    )
    with pytest.raises(Refusal, match=rf"differ in 1 rows.*2026-03-02 12:00:08 \(layout {ISOLATOR.id}\)"):
        three_days.on(noon(4)).archive_one(day(1))
    assert len(archived(three_days.folder)[("gmp", day(1))]) == 1


def test_rows_stored_again_from_the_journal_are_the_same_rows(three_days: Keeper, stock: Stock) -> None:
    stock.connection.execute("update frame set committed = now() where time::date = %s", (day(1),))
    three_days.on(noon(4)).archive_one(day(1))
    assert len(archived(three_days.folder)[("gmp", day(1))]) == 1


def test_an_altered_event_is_not_archived(stock: Stock, keeper: Keeper) -> None:
    stock.days(2)
    stock.connection.execute("update event set body = replace(body, 'op', 'ox') where number = 2")
    keeping = keeper.on(noon(4))
    keeping.archive_due()
    assert [str(one)[:43] for one in keeping.failures] == ["Event 2 of engine-1 in the database was alt"]
    assert sorted({c for c, _ in archived(keeper.folder)}) == ["diagnostic", "gmp"]


def test_events_that_the_database_never_had_are_declared_and_no_others(stock: Stock, keeper: Keeper) -> None:
    stock.days(3)
    stock.connection.execute("delete from event where number in (3, 6)")
    keeper.on(noon(5)).archive_due()
    chain = manifest_of(only(keeper, "event", 1)).chains["engine-1"]
    assert (chain.first, chain.last, chain.missing) == (4, 4, [(3, 3)])
    assert keeper.verified().wrong == []


def test_a_damaged_day_refuses_to_be_read_and_hurts_no_other(three_days: Keeper) -> None:
    one = only(three_days, "gmp", 1)
    flipped(one.manifest, 30)
    with pytest.raises(ArchiveDamaged, match=f"{one.manifest.name}"):
        list(rows(one, [ISOLATOR.id], *ALL_DAY))
    assert len(list(rows(only(three_days, "gmp", 0), [ISOLATOR.id], *ALL_DAY))) == 1
    keeping = three_days.on(noon(4))
    keeping.register()
    assert [one.manifest.name in str(failure) for failure in keeping.failures] == [True]
    keeping.archive_one(day(0))


def test_whatever_is_read_of_an_altered_file_is_right_or_refused(three_days: Keeper) -> None:
    one = only(three_days, "gmp", 0)
    whole = one.parquet.read_bytes()
    right = values_of(list(rows(one, [ISOLATOR.id, COUNTER.id], *ALL_DAY)))
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused: list[int] = []
    for at in range(0, len(whole), 11):
        flipped(one.parquet, at)
        try:
            assert values_of(list(rows(one, [ISOLATOR.id, COUNTER.id], *ALL_DAY))) == right
        except ArchiveDamaged as damage:
            assert one.parquet.name in str(damage)
            refused.append(at)
        one.parquet.write_bytes(whole)
    assert [at for at in refused if at >= footer] == [at for at in range(0, len(whole), 11) if at >= footer]
    assert len([at for at in refused if at < footer]) > 50, "row groups"


def test_a_manifest_made_anew_with_the_key_breaks_the_order(three_days: Keeper) -> None:
    second, third = only(three_days, "gmp", 1), only(three_days, "gmp", 2)
    changed = msgspec.structs.replace(manifest_of(second), made="2026-03-31T00:00:00+00:00")
    second.manifest.write_bytes(packed(changed))
    second.signature.write_bytes(three_days.on(noon(4)).archive.signer.sign(packed(changed)))
    assert three_days.verified().wrong == [
        f"{third.manifest} does not name {second.manifest} as the manifest before it"
    ]


def test_no_space_is_said_before_anything_is_written(stock: Stock, keeper: Keeper) -> None:
    stock.days(1)
    keeping = keeper.on(noon(4))
    keeping.archive.spare_bytes = 1 << 60
    with pytest.raises(Refusal, match="MB are free"):
        keeping.archive_one(day(0))
    assert archived(keeper.folder) == {}


def test_a_disk_that_fills_up_leaves_no_half_day(stock: Stock, keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    stock.days(1)
    counted = Tally.counted

    def full(self: Tally, tables: object) -> Iterator[object]:
        yield from counted(self, tables)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Tally, "counted", full)
        with pytest.raises(OSError, match="No space"):
            keeper.on(noon(4)).archive_one(day(0))
    left = [path.name for path in keeper.folder.rglob("*") if path.is_file() and path.suffix != ".pem"]
    assert left == []
    assert stock.asked("select count(*) from archived_day") == [0]
    keeper.on(noon(4)).archive_one(day(0))
    assert keeper.verified().wrong == []


def test_the_key_that_signed_before_is_not_replaced_unseen(three_days: Keeper) -> None:
    shutil.rmtree(three_days.keys)
    with pytest.raises(Refusal, match=r"The key that signed the archive .* so far is not in"):
        three_days.on(noon(4))
    assert not three_days.keys.exists()


def test_the_key_is_closed_to_others(three_days: Keeper) -> None:
    assert (three_days.keys / "archive" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert not list(three_days.folder.rglob("key*"))
