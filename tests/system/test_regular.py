"""What the service runs again and again: each run to its end, the next after the interval, none after the stop."""

import asyncio
from pathlib import Path

import pytest

from telemetry.supervisor import child
from telemetry.supervisor.child import Child
from telemetry.supervisor.regular import Regular


async def test_a_verb_is_run_again_and_again_and_ends_with_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(child.sys, "executable", str(program))
    said: list[str] = []
    regular = Regular("archive", ("archive", "--due"), said.append, 0.0, 0.05)
    running = asyncio.create_task(regular.run())
    async with asyncio.timeout(20):
        while len(said) < 3:  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.01)
    await regular.stop()
    running.cancel()
    await asyncio.wait([running])
    assert (tmp_path / "runs").read_text().count("run") >= 3
    assert said[0] == "archive ended with exit status 3; the next run is in 0 min"


async def test_a_run_is_ended_by_the_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(child.sys, "executable", str(program))
    said: list[str] = []
    regular = Regular("archive", ("archive", "--due"), said.append, 0.0, 0.05)
    running = asyncio.create_task(regular.run())
    async with asyncio.timeout(20):
        while regular.process is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await regular.stop()
    running.cancel()
    await asyncio.wait([running])
    assert regular.process.returncode is not None
    assert said == []


@pytest.mark.parametrize("regular", [False, True])
async def test_what_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, regular: bool
) -> None:
    program = tmp_path / "program"
    monkeypatch.setattr(child.sys, "executable", str(program))
    said: list[str] = []
    one = (
        Regular("archive", ("archive", "--due"), said.append, 0.0, 0.05)
        if regular
        else Child("engine", ("engine",), said.append, niced=False)
    )
    running = asyncio.create_task(one.run())
    async with asyncio.timeout(20):
        while len(said) < 2:
            assert not running.done()
            await asyncio.sleep(0.01)
        program.write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\nexec sleep 60\n")
        program.chmod(0o755)
        while not (tmp_path / "runs").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await one.stop()
    running.cancel()
    await asyncio.wait([running])
    assert "cannot be started" in said[0] and str(program) in said[0]
