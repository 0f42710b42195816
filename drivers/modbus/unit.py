"""A Modbus unit and its link: asked and written to; what is written is read back."""

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.address import shown
from drivers.device import SCAN_DEADLINE_S, WriteFailed
from drivers.fleet import Fleet
from drivers.modbus import frames
from drivers.modbus.address import form, parse
from drivers.modbus.frames import ACKNOWLEDGE, NOT_DONE, Refused, Request
from drivers.modbus.link import Link
from drivers.profile import Profile, ProfileTag, Register
from drivers.registers import Block, decode, encode, mask_of, merged, plan

READ_BACK_S: Final = 0.05
"""Pause before a written value is read again where it does not yet show."""


class ModbusUnit:
    """One unit at `address`. failure: why nothing is read from it, in a plain sentence. Raises ValueError for a wrong address."""

    def __init__(self, device: str, profile: Profile, address: str, fleet: Fleet) -> None:
        try:
            self.place, self.unit = parse(address)
        except ValueError as error:
            raise ValueError(f"{device}: the address {shown(address)} {error}; write {form(address)}") from None
        self.device, self.profile = device, profile
        self.tags = profile.expanded()
        self.link = Link.to(self.place, fleet, profile.server.in_flight)
        self._failure: str | None = None
        self._writing = asyncio.Lock()

    @property
    def failure(self) -> str | None:
        """Why nothing is read, as of the last scan; None while all is well."""
        down = self.link.failure
        return self._failure or (f"{self.device} {down}" if down is not None else None)

    # ---- asking

    async def read_block(self, block: Block) -> NDArray[np.uint16]:
        """The words (or bits) of one block. Raises Refused, OSError or TimeoutError."""
        return np.frombuffer(frames.words_of(block, await self.read(frames.read(self.unit, block))), ">u2")

    async def read(self, request: Request) -> bytes:
        """As `ask`, of what may be asked twice: a device may close the connection after each answer, or one that was idle for
        too long for it just when it is asked again."""
        try:
            return await self.ask(request)
        except ConnectionError:
            if not await self.link.ready():
                raise
            return await self.ask(request)

    async def ask(self, request: Request) -> bytes:
        """The bytes of values in the reply. Raises Refused with a whole sentence, TimeoutError, or OSError with the rest of one."""
        try:
            return await self.link.ask(request, self.profile.server.answer_s)
        except Refused as error:
            raise Refused(f"{self.device} {error}", error.code) from None

    # ---- writing

    async def write_coil(self, address: int, value: bool) -> None:
        """Raises Refused, OSError or TimeoutError; after either of the last two it may have taken effect or not."""
        await self.ask(frames.write_coil(self.unit, address, value))

    async def write_registers(self, address: int, words: Sequence[int]) -> None:
        """Writes holding registers from `address` on. Raises as `write_coil` does."""
        await self.ask(frames.write_registers(self.unit, address, list(words)))

    async def write(self, tag: str, value: float) -> float:
        register = register_of(self.tags[tag.removeprefix(f"{self.device}.")])
        if self.link.failure is not None:
            raise WriteFailed(f"{tag} was not written: {self.failure}")
        asked = taken = False  # whether it was sent, and whether the device has taken some of it
        try:
            async with asyncio.timeout(SCAN_DEADLINE_S), self._writing:
                for request in await self._requests(register, value):
                    asked = True
                    await self._order(request)
                    taken = True
                return await self._read_back(register, value)
        except (TimeoutError, OSError) as error:
            why = f"{self.device} {error}" if str(error) else f"{self.device} does not answer in time"
            if asked:
                raise WriteFailed.unconfirmed(tag, why) from error
            raise WriteFailed(f"{tag} was not written: {why}") from error
        except Refused as error:
            if taken or (asked and error.code not in NOT_DONE):
                raise WriteFailed.unconfirmed(tag, str(error)) from error
            raise WriteFailed(f"{tag} was not written: {error}") from error
        except ValueError as error:
            raise WriteFailed(f"{tag} was not written: {error}") from error

    async def _requests(self, register: Register, value: float) -> list[Request]:
        """What writes `value`. Bits among others need what is held now, unless the device sets bits by itself."""
        if register.table == "coil":
            return [frames.write_coil(self.unit, register.address, bool(encode(register, value)[0]))]
        if register.bit is None:
            return [frames.write_registers(self.unit, register.address, encode(register, value))]
        if self.profile.server.mask_write:
            both = enumerate(zip(mask_of(register), encode(register, value), strict=True), register.address)
            return [frames.mask_write(self.unit, at, mask, bits) for at, (mask, bits) in both if mask]
        held = await self.read_block(Block(register.table, register.address, register.words, 0))
        words = merged(register, [int(word) for word in held], value)
        return [frames.write_registers(self.unit, register.address, words)]

    async def _order(self, request: Request) -> None:
        """Sends a write. One that the device accepts and is still working on is as good as done: the read-back tells."""
        try:
            await self.ask(request)
        except Refused as error:
            if error.code != ACKNOWLEDGE:
                raise

    async def _read_back(self, register: Register, value: float) -> float:
        """What the device holds, once that is what was written, or else at the end of the time for it."""
        alone = plan([register], self.profile.server)
        expected = encode(register, value)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SCAN_DEADLINE_S / 2
        while True:
            held = await self.read_block(alone.blocks[0])
            masks = mask_of(register) if register.bit is not None else [0xFFFF] * len(expected)
            same = [int(word) & mask for word, mask in zip(held, masks, strict=True)] == expected
            if same or loop.time() >= until_s:
                number, quality = decode(alone, held)
                if quality is not None:
                    raise Refused(f"{self.device} shows no value where it was written")
                return float(number[0])
            await asyncio.sleep(READ_BACK_S)


def register_of(tag: ProfileTag) -> Register:
    """The register of a tag that has one."""
    assert tag.register_ is not None
    return tag.register_
