"""The console's verb of this package: ``browse``."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from drivers.opcua.browse import Tree
    from drivers.opcua.session import Session

_LOGIN = "Login"


def register(app: typer.Typer) -> None:
    """Adds the verb to the console (entry point group ``telemetry.commands``)."""
    app.command()(browse)


def browse(
    ctx: typer.Context,
    address: Annotated[
        str, typer.Argument(metavar="URL", help="The server's address, for example opc.tcp://plc:4840.")
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="With --profile: what the profile is called.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, max=50, help="How many levels to go down.")] = 10,
    nodes: Annotated[int, typer.Option(min=1, max=200_000, help="How many nodes to show at most.")] = 5_000,
    start: Annotated[
        str, typer.Option(help="Where to begin, for example ns=2;s=Line1. Without it: all objects.")
    ] = "i=85",
    profile: Annotated[bool, typer.Option("--profile", help="Draft a profile instead of printing the tree.")] = False,
    namespace: Annotated[str | None, typer.Option(help="The namespace (URI) of the drafted profile.")] = None,
    to: Annotated[Path | None, typer.Option(help="Write to this file. Without it: standard output.")] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="None, Basic256Sha256, Aes128_Sha256_RsaOaep or Aes256_Sha256_RsaPss.", rich_help_panel=_LOGIN
        ),
    ] = "None",
    mode: Annotated[str | None, typer.Option(help="Sign or SignAndEncrypt.", rich_help_panel=_LOGIN)] = None,
    user: Annotated[str | None, typer.Option(rich_help_panel=_LOGIN)] = None,
    password_file: Annotated[str | None, typer.Option(rich_help_panel=_LOGIN)] = None,
    password_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds the password.", rich_help_panel=_LOGIN)
    ] = None,
    certificate_file: Annotated[
        str | None, typer.Option(help="The user's certificate.", rich_help_panel=_LOGIN)
    ] = None,
    key_file: Annotated[str | None, typer.Option(help="Its private key.", rich_help_panel=_LOGIN)] = None,
    trust: Annotated[
        str | None,
        typer.Option(
            metavar="THUMBPRINT", help="Trust the server's certificate, if it has this one.", rich_help_panel=_LOGIN
        ),
    ] = None,
) -> None:
    """Show what an OPC UA server has, or draft a profile from it."""
    from asyncua import ua
    from pydantic import ValidationError

    from drivers.fleet import Fleet
    from drivers.opcua.faults import Unreachable
    from drivers.opcua.security import Security, SecurityFault
    from drivers.opcua.session import Session

    try:
        ua.NodeId.from_string(start)
    except ua.UaError:
        _refuse(f"{start} is not a node. Write ns=2;s=Name or i=85, as the tree shows it.")
    if name is not None and "://" in name:
        address, name = name, address  # `--profile NAME URL` says the same
    if name is not None and not profile:
        _refuse(f"{name} is not understood. Write --profile {name} to draft a profile of that name.")
    host = _host(address)
    given = {
        "policy": policy, "mode": mode, "user": user, "password_file": _absolute(password_file),
        "password_env": password_env, "certificate_file": _absolute(certificate_file), "key_file": _absolute(key_file),
    }  # fmt: skip
    try:
        security = Security.model_validate(given)
    except ValidationError as error:
        _refuse(
            "\n".join(
                f"{'.'.join(map(str, e['loc']))} {e['msg'].removeprefix('Value error, ')}".strip()
                for e in error.errors()
            )
        )
    keys: Callable[[], Path] = ctx.obj
    session = Session(address, security, Fleet(keys()), time.time_ns)
    try:
        tree = asyncio.run(_look(session, start, depth, nodes, trust))
        called = (name or f"{re.sub('[^a-z0-9]+', '-', host).strip('-')}-opcua") if profile else None
        text, notes = _said(tree, called, address, namespace)
    except (Unreachable, SecurityFault, ValueError) as error:
        _refuse(f"{address}: {error}")
    if to is None:
        typer.echo(text, nl=False)
    else:
        try:
            to.write_text(text, encoding="utf-8")
        except OSError as error:
            _refuse(f"{to} cannot be written ({error.strerror}). Name a file in a folder that you may write.")
        typer.echo(f"written to {to}", err=True)
    for note in (*session.doubts, *notes):
        typer.echo(f"note: {note}", err=True)
    if tree.cut:
        more = "raise --depth or --nodes, or --start further down"
        typer.echo(f"note: {tree.number} nodes shown; {tree.cut} were not looked beneath: {more}", err=True)


async def _look(session: "Session", start: str, depth: int, nodes: int, trusted: str | None) -> "Tree":
    from asyncua import ua

    from drivers.opcua.browse import browsed
    from drivers.opcua.certificates import trust
    from drivers.opcua.faults import Unreachable, sentence
    from drivers.opcua.session import offered

    def say(line: str) -> None:
        typer.echo(f"\r{line}\033[K", nl=False, err=True)

    try:
        endpoints = await session.endpoints()
        typer.echo(f"the server offers {offered(endpoints)}", err=True)
        if trusted is not None and session.fleet.keys is not None:
            shown = next((e.ServerCertificate for e in endpoints if e.ServerCertificate), b"")
            typer.echo(f"trusted from now on: {trust(shown, trusted, session.fleet.keys)}", err=True)
        await session.open()
        return await browsed(session.client, ua.NodeId.from_string(start), depth, nodes, say)
    except (ua.UaError, OSError, TimeoutError, UnicodeError) as error:
        raise Unreachable(sentence(error)) from error
    finally:
        typer.echo("\r\033[K", nl=False, err=True)
        await session.close()


def _said(tree: "Tree", profile: str | None, address: str, namespace: str | None) -> tuple[str, tuple[str, ...]]:
    from drivers.opcua.browse import lines
    from drivers.opcua.draft import drafted

    if profile is not None:
        return drafted(tree, profile, address, namespace)
    numbered = [f"namespace {i}  {uri}" for i, uri in enumerate(tree.namespaces)]
    return "\n".join((*numbered, "", *lines(tree))) + "\n", ()


def _host(address: str) -> str:
    """The host of an OPC UA server's address. Refuses what is none, without repeating a password that was written into it."""
    try:
        parts = urlsplit(address)
        fits = parts.scheme == "opc.tcp" and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # brackets that do not match, a port above 65535
        fits, parts = False, None
    if "@" in address:
        _refuse("An address holds no user and no password. Write opc.tcp://host:4840 and --user, --password-file.")
    if not fits or parts is None or parts.hostname is None:
        _refuse(
            f"{address} is not the address of an OPC UA server. Write opc.tcp://host:4840. "
            "The port is from 1 to 65535; an IPv6 address is in brackets, as in opc.tcp://[::1]:4840."
        )
    return parts.hostname


def _absolute(name: str | None) -> str | None:
    """On the command line a relative name is meant from here, not within the folder of keys."""
    return None if name is None else str(Path(name).absolute())


def _refuse(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(1)
