"""How devices are logged in to: only where their protocol has a login, with secrets that are there and that nobody else reads."""

import os
from pathlib import Path

from drivers.opcua.security import place_of
from telemetry import places
from telemetry.plant.checks.whole import Whole, at
from telemetry.plant.document import Place


def check(whole: Whole) -> None:
    for unit in whole.plant.equipment:
        security = unit.security
        if security is None:
            continue
        place = at(whole.origins.equipment[unit.id], "security")
        if unit.profile.protocol != "opcua":
            what = f"{unit.id} speaks {unit.profile.protocol}, which knows no security"
            whole.wrong(place, what, "Remove `security`; keep the device on a network of its own.")
            continue
        if not security.secured:
            what = f"what {unit.id} sends can be read and changed on its way, since its policy is None"
            whole.doubt(at(place, "policy"), what, "Use Basic256Sha256 or better where the server offers it.")
        if security.password_env is not None and security.password_env not in os.environ:
            what = f"the environment variable {security.password_env} is not set here"
            whole.doubt(at(place, "password_env"), what, "Set it for the engine; without it the login fails.")
        for key in ("password_file", "certificate_file", "key_file"):
            name: str | None = getattr(security, key)
            if name is not None:
                _file(whole, at(place, key), place_of(name, places.opcua_keys()), secret=key != "certificate_file")


def _file(whole: Whole, place: Place, file: Path, secret: bool) -> None:
    if not file.is_file():
        whole.doubt(place, f"the file {file} is not there", "Put it there for the engine; without it the login fails.")
    elif secret and file.stat().st_mode & 0o077:
        whole.doubt(place, f"others may read the secret in {file}", "Close it with chmod 600.")
