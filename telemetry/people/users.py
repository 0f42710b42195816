"""Named users: name, role, argon2 hash of the password; one file in the keys folder, which only the service can read."""

import os
from pathlib import Path
from typing import Final

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from telemetry import places
from telemetry.errors import Refusal

SHORTEST_PASSWORD: Final = 12
_hasher = PasswordHasher()
_decoy = _hasher.hash("nobody has this password")


class User(msgspec.Struct):
    name: str
    role: str
    password_hash: str


def users_file() -> Path:
    return places.closed_folder("keys") / "users.json"


def all_users() -> dict[str, User]:
    try:
        return msgspec.json.decode(users_file().read_bytes(), type=dict[str, User])
    except FileNotFoundError:
        return {}


def put(name: str, role: str, password: str, known_roles: set[str]) -> None:
    """Adds a user or changes role and password. Raises Refusal."""
    if role not in known_roles:
        raise Refusal(f"There is no role {role}.", f"Roles are: {', '.join(sorted(known_roles))}.")
    if not name.isidentifier() and not name.replace("-", "").replace(".", "").isalnum():
        raise Refusal(f"{name!r} is no user name.", "Use letters, digits, dot and hyphen.")
    if len(password) < SHORTEST_PASSWORD:
        raise Refusal("The password is too short.", f"Use at least {SHORTEST_PASSWORD} characters.")
    users = all_users()
    users[name] = User(name, role, _hasher.hash(password))
    _save(users)


def remove(name: str) -> None:
    users = all_users()
    if users.pop(name, None) is None:
        raise Refusal(f"There is no user {name}.", "telemetry user list shows all.")
    _save(users)


def signed_in(name: str, password: str) -> User | None:
    """The user, if name and password fit. An unknown name takes as long as a wrong password."""
    user = all_users().get(name)
    try:
        _hasher.verify(user.password_hash if user else _decoy, password)
    except VerificationError:
        return None
    return user


def _save(users: dict[str, User]) -> None:
    path = users_file()
    new = path.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(users), indent=1))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
