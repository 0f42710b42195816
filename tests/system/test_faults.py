"""Processes are killed at random, lines are cut, the database is away, all while the plant is read: nothing is lost, nothing is
there twice, and what is missing is told. The seed is printed; FAULTS_SEED repeats a run."""

import os
import random
import secrets
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from simulators.load.served import answers
from tests.historian.accounting import SECOND
from tests.system.account_of_faults import LONGEST_GAP_S, STOPS, Account, account
from tests.system.demo import until
from tests.system.load_service import Fault, LoadService, Plant, drawn

SHORT = {"engine": 2, "historian": 1, "api": 1, "postgresql": 1, "supervisor": 1, "cut": 1}
LONG = {"engine": 8, "historian": 8, "api": 4, "postgresql": 7, "supervisor": 3, "cut": 6}
OUTAGE_S = float(os.environ.get("FAULTS_OUTAGE_S", "600"))


@pytest.mark.timeout(300)
def test_a_few_faults_lose_nothing(own_data: Path) -> None:
    seed = _seed()
    rng = random.Random(seed)
    with LoadService(own_data, Plant(devices=40, tags=25, seed=seed % 1000)) as service:
        for pause_s, kind in drawn(SHORT, 0.5, 3.0, rng):
            time.sleep(pause_s)  # faults come when they come: this is the load, not a wait for something
            service.hurt(kind, rng)
        result = _settled(service)
    assert result.served > 0 and result.lost == result.double == result.false == []
    _judge(result, service.faults)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_thirty_kills_cuts_and_an_outage_at_15_000_tags_a_second(own_data: Path) -> None:
    seed = _seed()
    rng = random.Random(seed)
    with LoadService(own_data, Plant(devices=150, tags=100, seed=seed % 1000)) as service:
        for pause_s, kind in drawn(LONG, 3.0, 20.0, rng):
            time.sleep(pause_s)
            service.hurt(kind, rng)
        until(service.ready, 120.0, "ready before the outage")
        service.database_away(OUTAGE_S)
        result = _settled(service, 300.0)
    assert result.served > 0 and result.lost == result.double == result.false == []
    _judge(result, service.faults)


def _seed() -> int:
    seed = int(os.environ.get("FAULTS_SEED") or secrets.randbelow(1_000_000))
    print(f"FAULTS_SEED={seed}")
    return seed


def _settled(service: LoadService, seconds: float = 90.0) -> Account:
    """The account of everything up to now, once all of that is stored; the event chain is whole and nothing was refused."""
    until(service.ready, 120.0, "ready after the faults")
    until_ns = (time.time_ns() // SECOND + 3) * SECOND  # with some seconds of a plant that is well again
    until(lambda: _stored_up_to(service, until_ns), seconds, "everything is stored")
    until(
        lambda: int(answers(service.answers)["time_ns"].max()) > until_ns + 2 * SECOND,
        30.0,
        "all answers are written",
    )
    with service.connect() as database:
        assert database.execute("select * from journal_gap").fetchall() == []
        assert database.execute("select writer, stream, number, reason from rejected").fetchall() == []
        _chain_is_whole(database)
        result = account(database, service.answers, service.plant, service.faults, until_ns)
    print(result.said())
    return result


def _stored_up_to(service: LoadService, until_ns: int) -> bool:
    with service.connect() as database:
        row = database.execute(
            "select bool_and((select max(time) from frame where layout = layout.id) > to_timestamp(%s)) from layout"
            " where device like 'LOAD-0%%'",
            (until_ns / 1e9,),
        ).fetchone()
    return bool(row and row[0])


def _chain_is_whole(database: psycopg.Connection[Any]) -> None:
    """Every event of the writer, once, each with the hash of the one before."""
    rows = database.execute("select number, previous, hash from event order by number").fetchall()
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    broken = [row[0] for before, row in pairwise(rows) if row[1] != before[2]]
    assert broken == []


def _judge(result: Account, faults: Sequence[Fault]) -> None:
    assert result.unexplained == []
    kills = sum(fault.kind in STOPS for fault in faults)
    others = {kind: seconds for kind, seconds in result.missing_s.items() if kind not in STOPS}
    assert others == {}, "seconds are missing that no end of the engine explains"
    assert sum(result.missing_s.values()) <= LONGEST_GAP_S * kills
    assert result.gap_s <= LONGEST_GAP_S * kills
