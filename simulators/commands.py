"""The console's verbs of this package: ``simulate`` and ``fault``."""

import asyncio
import json
import logging
import re
import signal
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from simulators.control import AnotherSimulator, NoSimulator, ask, served
from telemetry import files, places
from telemetry.errors import Refusal

if TYPE_CHECKING:
    from simulators.load.plant import Size
    from telemetry.plant.model import Plant

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0}


def register(app: typer.Typer) -> None:
    """Adds the verbs to the console (entry point group ``telemetry.commands``)."""
    app.command()(simulate)
    app.command()(fault)


def simulate(
    addresses: Annotated[Path | None, typer.Option(help="Where to write the address of each device (JSON).")] = None,
    control: Annotated[Path | None, typer.Option(help="The Unix socket that takes faults.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day.", min=0)] = 1,
    load: Annotated[
        int | None,
        typer.Option(help="Load form: so many plain devices instead of the plant.", min=1, metavar="DEVICES"),
    ] = None,
    tags_per_device: Annotated[int, typer.Option(help="Load form: tags of each device.", min=1)] = 100,
    opcua_share: Annotated[
        float, typer.Option(help="Load form: which part speaks OPC UA; the others Modbus.", min=0, max=1)
    ] = 0.5,
    config: Annotated[Path | None, typer.Option(help="Load form: where to write its config folder.")] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Load form: where to write which device was answered when, and with what.")
    ] = None,
    silent: Annotated[int, typer.Option(help="Load form: so many devices never answer.", min=0)] = 0,
    resetting: Annotated[int, typer.Option(help="Load form: so many reset each connection.", min=0)] = 0,
    slow: Annotated[int, typer.Option(help="Load form: so many answer 3 s late.", min=0)] = 0,
) -> None:
    """Pretend to be every device of the configured plant, on free ports of this machine, until Ctrl-C.

    With --load, pretend to be as many plain devices as asked, for load tests; the faulty ones come first (LOAD-0001...): silent,
    then resetting, then slow.
    """
    import uvloop

    from telemetry.plant.load import load as load_plant

    for name in ("asyncua", "pymodbus", "pymodbus_internal"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # a client's refused request is no concern of this console
    try:
        book, socket = addresses or places.address_book(), control or places.simulator_socket()
        if load is None:
            uvloop.run(_simulate(load_plant(), book, socket, seed))
            return
        faults = {"silent": silent, "resetting": resetting, "slow": slow}
        if sum(faults.values()) > load:
            raise Refusal(
                f"{sum(faults.values())} faulty devices are more than {load}.", "Give fewer, or a larger --load."
            )
        from simulators.load.plant import Size

        uvloop.run(_load(Size(load, tags_per_device, opcua_share), book, socket, seed, config, faults, answers))
    except (AnotherSimulator, Refusal) as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"The simulators cannot start: {error}. Mend that, then run `telemetry simulate` again.")


def _stopped() -> asyncio.Event:
    """Set at Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _load(
    size: "Size",
    book: Path,
    control: Path,
    seed: int,
    config: Path | None,
    faults: Mapping[str, int],
    answers: Path | None,
) -> None:
    from simulators.load.configuration import write_configuration
    from simulators.load.plant import load_plant

    stop = _stopped()
    files.allow(4 * size.devices + 200, f"{size.devices} simulated devices")
    async with load_plant(size, seed, faults, answers) as running, served(running, control):
        if config is not None:
            write_configuration(config, size, running.addresses)
            print(f"config: {config}  (TELEMETRY_CONFIG={config} telemetry run)", flush=True)
        write_addresses(book, running.addresses)
        print(f"simulators ready: {len(running.devices)} devices, {running.tag_count} tags", flush=True)
        await stop.wait()


async def _simulate(plant: "Plant", book: Path, control: Path, seed: int) -> None:
    from simulators.faces.opcua_security import ServerKeys
    from simulators.plant import simulated

    stop = _stopped()
    keys = ServerKeys(places.data_folder() / "simulators", places.opcua_keys())
    said = partial(print, flush=True)
    async with simulated(plant, seed, said, keys) as running, served(running, control):
        write_addresses(book, running.addresses)
        print(f"simulators ready: {len(running.devices)} devices, {running.tag_count} tags", flush=True)
        await stop.wait()


def write_addresses(book: Path, addresses: dict[str, str]) -> None:
    """Writes the address book in one piece: a reader finds the old one or the new one, never half of it."""
    with tempfile.NamedTemporaryFile("w", dir=book.parent, prefix=book.name, delete=False) as file:
        json.dump(addresses, file, indent=1)
    Path(file.name).replace(book)


def fault(
    equipment: Annotated[str, typer.Argument(help="Which equipment: L01-ISO, or several: 'L0?-ISO'.")],
    name: Annotated[
        str | None, typer.Argument(metavar="FAULT", help="Which fault; `clear` ends all. None: list them.")
    ] = None,
    for_: Annotated[str | None, typer.Option("--for", help="How long: 30s, 5m, 1h. Without it: until cleared.")] = None,
    part: Annotated[int, typer.Option(help="Which of several like parts, for example the cell of a honeycomb.")] = 1,
    tag: Annotated[str, typer.Option(help="Which sensors, by tag name with wildcards, for a fault of sensors.")] = "*",
    delay: Annotated[str, typer.Option(help="How late a slow device answers.")] = "3s",
    control: Annotated[Path | None, typer.Option(help="The running simulator's Unix socket.")] = None,
) -> None:
    """Push a device of the running simulator into a fault, or list the faults that it has and can have."""
    request: dict[str, Any] = {"do": "faults", "equipment": equipment}
    if name is not None:
        for_s = None if for_ is None else seconds(for_)
        request = {"do": "fault", "equipment": equipment, "fault": name, "for_s": for_s, "part": part, "tag": tag}
        request["delay_s"] = seconds(delay)
    try:
        reply = asyncio.run(ask(control or places.simulator_socket(), request))
    except (NoSimulator, Refusal) as error:
        _refuse(str(error))
    if not reply.get("ok"):
        _refuse(str(reply.get("wrong")))
    if name is not None:
        print(reply["said"])
        return
    for what, now in reply["faults"].items():
        left = "until cleared" if now["left_s"] is None else f"{now['left_s']:g} s more"
        print(f"{equipment} has {what}, {left}: {now['meaning']}")
    for what, meaning in reply["possible"].items():
        print(f"{what:20} {meaning}")


def seconds(given: str) -> float:
    """Seconds of a time such as 30s, 5m or 1h."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)", given.strip())
    if found is None:
        _refuse(f"{given!r} is no length of time. Write it like 30s, 5m or 1h.")
    return float(found[1]) * _UNITS[found[2]]


def _refuse(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(1)
