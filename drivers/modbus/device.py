"""A Modbus device: planned blocks read each second over its link, decoded in bulk."""

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.deadline import Deadlines
from drivers.device import SCAN_DEADLINE_S, Now, layouts_of
from drivers.fleet import Fleet
from drivers.frame import Frame, Scan, bad_frame
from drivers.modbus import frames
from drivers.modbus.frames import NO_ANSWER, NO_PATH, Refused, words_of
from drivers.modbus.proof import contradiction, planned_proof
from drivers.modbus.status import Statuses
from drivers.modbus.unit import ModbusUnit, register_of
from drivers.probe import findings_of
from drivers.profile import Profile, Register
from drivers.quality import (
    BAD_COMMUNICATION_ERROR,
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_NO_COMMUNICATION,
    BAD_TIMEOUT,
)
from drivers.registers import Plan, decode, decode_text, plan

__all__ = ["ModbusDevice", "Refused"]

SLACK_LOOK_S: Final = 0.02
"""How often a silent unit looks whether the line it shares has time for it."""
_REASONS: Final = {
    1: BAD_CONFIGURATION_ERROR,
    2: BAD_CONFIGURATION_ERROR,
    3: BAD_CONFIGURATION_ERROR,
    4: BAD_DEVICE_FAILURE,
}
"""Why the values of a refused block are Bad, by Modbus exception."""


class _Silent(Exception):
    """The unit did not answer lately, and it is not yet its time to be asked again."""


class _Contradicted(Exception):
    """The device's constants are not what the profile says; the text is a plain sentence."""


class ModbusDevice(ModbusUnit):
    """One unit at a Modbus address (`drivers.modbus.address`), read as its profile says."""

    def __init__(self, device: str, profile: Profile, address: str, now: Now, fleet: Fleet | None = None) -> None:
        fleet = fleet or Fleet()
        super().__init__(device, profile, address, fleet)
        self.now = now
        self.layouts = layouts_of(device, self.tags)
        self._layout = next((x for x in self.layouts if not x.record), None)
        registers = [(name, tag) for name, tag in self.tags.items() if tag.register_ is not None]
        self._texts = [(name, register_of(tag)) for name, tag in registers if tag.kind == "text"]
        numeric = [register_of(tag) for _, tag in registers if tag.kind != "text"]
        self._statuses = Statuses([tag for _, tag in registers if tag.kind != "text"])
        self._registers: Sequence[Register] = [
            *numeric,
            *(r for _, r in self._texts),
            *self._statuses.registers,
            *self.extra_registers(),
        ]
        self._plan = _shared_plan(fleet, self._registers, profile)
        self._numeric = len(numeric)
        self._polled = [(block, frames.read(self.unit, block)) for block in self._plan.blocks]
        self._proof = planned_proof(profile.proof, profile.server)
        self._proved = 0
        self._deadlines = Deadlines.of(fleet, SCAN_DEADLINE_S)

    def extra_registers(self) -> Sequence[Register]:
        """Registers that the machine itself needs beyond the tags."""
        return ()

    async def run(self) -> None:
        await self.link.keep(self)

    # ---- reading

    async def probe(self) -> tuple[str, ...]:
        """Connects once and reads the registers once: all that is wrong, in plain sentences. Takes nothing out of the device
        (a counter's records stay in it)."""
        async with self.link.once(self):
            scan = await self.scan(self.now() // 1_000_000_000 * 1_000_000_000, further=False)
            return (*scan.findings, *findings_of(self.device, self.tags, scan))

    async def scan(self, slot_ns: int, further: bool = True) -> Scan:
        """further: also what a machine reads beyond the polled registers (`read_on`)."""
        task = self._deadlines.begin()
        try:
            scan = await self._read(slot_ns, further)
        except (asyncio.CancelledError, TimeoutError) as error:
            if isinstance(error, asyncio.CancelledError) and not self._deadlines.end(task):
                raise
            self._failure = f"{self.device} at {self.place} unit {self.unit} does not answer in time"
            return self._failed(slot_ns, BAD_TIMEOUT)
        except _Contradicted as error:
            self._failure = str(error)
            return self._failed(slot_ns, BAD_CONFIGURATION_ERROR)
        except _Silent:
            return self._failed(slot_ns, BAD_NO_COMMUNICATION)
        except Refused as error:
            self._failure = str(error)
            gateway = error.code in (NO_PATH, NO_ANSWER)
            return self._failed(slot_ns, BAD_NO_COMMUNICATION if gateway else BAD_COMMUNICATION_ERROR)
        except OSError as error:
            self._failure = f"{self.device} {error}"
            return self._failed(slot_ns, BAD_COMMUNICATION_ERROR)
        finally:
            self._deadlines.end(task)
        self._failure = scan.failure
        return scan

    async def _read(self, slot_ns: int, further: bool) -> Scan:
        loop = asyncio.get_running_loop()
        link, turns = self.link, self.link.turns
        if link.failure is not None and not await link.ready():
            self._failure = None
            return self._failed(slot_ns, BAD_NO_COMMUNICATION)
        if link.shared:
            turns.scanned(self.unit, loop.time())
        if turns.is_silent(self.unit):
            await self._slack(loop)
        image, refused = await self._image()
        scan = self._frames(slot_ns, image, refused)
        return await self.read_on(slot_ns, scan, image) if further else scan

    async def _slack(self, loop: asyncio.AbstractEventLoop) -> None:
        """Waits for slack time of the shared link. Raises _Silent where the unit is not to be asked in this scan."""
        turns = self.link.turns
        patience_s = self.link.patience_s(self._polled[0][1], self.profile.server.answer_s) if self._polled else 0.0
        until_s = loop.time() + SCAN_DEADLINE_S - max(patience_s, SLACK_LOOK_S) - SLACK_LOOK_S
        while not (turns.is_due(self.unit, loop.time()) and turns.has_slack(self.unit, loop.time(), patience_s)):
            if loop.time() >= until_s or not turns.is_due(self.unit, until_s):
                raise _Silent
            await asyncio.sleep(SLACK_LOOK_S)

    async def _prove(self) -> None:
        """Compares the device's constants, once in each connection. Raises _Contradicted, besides what `ask` raises."""
        generation = self.link.generation
        parts = [await self.read_block(block) for block in self._proof.blocks]
        wrong = contradiction(self.profile.proof, self._proof, np.concatenate(parts))
        if wrong is not None:
            raise _Contradicted(f"{self.device} {wrong}")
        self._proved = generation

    async def _image(self) -> tuple[NDArray[np.uint16], dict[int, Refused]]:
        """The image, and the blocks (by number) that the device refused; those are 0 in it. Raises as `ask` does, Refused only
        where no block was read, and _Contradicted."""
        if self.profile.proof and self._proved != self.link.generation:
            await self._prove()
        parts: list[bytes] = []
        refused: dict[int, Refused] = {}
        for number, (block, request) in enumerate(self._polled):
            try:
                parts.append(words_of(block, await self.read(request)))
            except Refused as error:
                if error.code in (NO_PATH, NO_ANSWER):
                    raise
                refused[number] = error
                parts.append(bytes(2 * block.count))
        if refused and len(refused) == len(self._plan.blocks):
            raise refused[0]
        return np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), ">u2"), refused

    async def read_on(self, slot_ns: int, scan: Scan, image: NDArray[np.uint16]) -> Scan:
        """What a machine reads beyond the polled registers, given what they held; here nothing."""
        return scan

    def _frames(self, slot_ns: int, image: NDArray[np.uint16], refused: dict[int, Refused]) -> Scan:
        received_ns = self.now()
        codes = {number: _REASONS.get(error.code, BAD_COMMUNICATION_ERROR) for number, error in refused.items()}
        values, quality = decode(self._plan, image, codes)
        if self._numeric != len(values):
            first = self._numeric + len(self._texts)
            statuses = values[first : first + len(self._statuses.registers)]
            values = values[: self._numeric]
            if quality is not None:
                quality = quality[: self._numeric] if quality[: self._numeric].any() else None
            quality = self._statuses.judge(statuses, values, quality)
        made = (Frame(self._layout, slot_ns, received_ns, values, quality),) if self._layout else ()
        texts: dict[str, str | None] = {}
        for slot, (name, register) in enumerate(self._texts, self._numeric):
            unread = int(self._plan.block_of[slot]) in refused
            texts[f"{self.device}.{name}"] = None if unread else decode_text(self._plan, slot, register, image)
        return Scan(made, texts, findings=tuple(str(error) for error in refused.values()))

    def _failed(self, slot_ns: int, reason: int) -> Scan:
        received_ns = self.now()
        bad = tuple(bad_frame(x, slot_ns, received_ns, reason) for x in self.layouts if not x.record)
        failure = self.failure or f"{self.device} at {self.place} is not connected"
        return Scan(bad, {f"{self.device}.{name}": None for name, _ in self._texts}, failure)


def _shared_plan(fleet: Fleet, registers: Sequence[Register], profile: Profile) -> Plan:
    """The devices of one model share their plan: a thousand of them scanned in turn find it in the processor's cache."""
    key = ("modbus plan", tuple(registers), profile.server)
    found: Plan = fleet.shared.setdefault(key, None) or plan(registers, profile.server)
    fleet.shared[key] = found
    return found
