"""Security: how a device's OPC UA server is spoken to; policy, mode and login. The words are those of OPC UA Part 7.

Secrets are named, never held: a password stands in a file or in an environment variable, and is read at every connect, so
that a changed one needs no restart. A file's relative name is meant within the service's closed folder of keys.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from drivers.profile import Strict

Policy = Literal["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
Mode = Literal["None", "Sign", "SignAndEncrypt"]


class SecurityFault(Exception):
    """A secured connection is not possible, or not safe; the text is a plain sentence with its remedy."""


class Security(Strict):
    """What a server asks for. policy and mode: those of exactly one of its endpoints; nothing less is ever taken.

    Login: `user` with its password in `password_file` or in the environment variable `password_env`; or the user's own X.509
    certificate in `certificate_file` with its private key in `key_file` (DER, or PEM); or neither: anonymous.
    """

    policy: Policy
    mode: Mode | None = None
    user: Annotated[str, Field(min_length=1)] | None = None
    password_file: str | None = None
    password_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.policy == "None") != (self.channel_mode == "None"):
            raise ValueError("policy None has mode None, and every other policy has mode Sign or SignAndEncrypt")
        passwords = sum(x is not None for x in (self.password_file, self.password_env))
        if self.user is not None and passwords != 1:
            raise ValueError(
                "a user needs exactly one of password_file and password_env, which say where its password is"
            )
        if self.user is None and passwords:
            raise ValueError("a password without a user: add the user")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("a user's certificate needs both certificate_file and key_file")
        if self.user is not None and self.certificate_file is not None:
            raise ValueError("give a user with a password, or a user's certificate, not both")
        return self

    @property
    def channel_mode(self) -> Mode:
        """The mode; where none is given, the strongest that the policy has."""
        return self.mode or ("None" if self.policy == "None" else "SignAndEncrypt")

    @property
    def secured(self) -> bool:
        """Whether messages are signed, so that both sides need certificates."""
        return self.policy != "None"

    def password(self, keys: Path | None) -> str | None:
        """The password as it stands now; None without a user. Raises SecurityFault where it cannot be read."""
        if self.password_env is not None:
            found = os.environ.get(self.password_env)
            if found is None:
                raise SecurityFault(
                    f"the password of user {self.user} is missing: set the environment variable {self.password_env}"
                )
            return found
        if self.password_file is None:
            return None
        return read_file(self.password_file, keys, f"the password of user {self.user}").decode().rstrip("\r\n")


def place_of(name: str, keys: Path | None) -> Path:
    """The file `name` means: an absolute one itself, a relative one within the folder of keys."""
    return Path(name) if keys is None else keys / name


def read_file(name: str, keys: Path | None, what: str) -> bytes:
    """The content of a secret's file. Raises SecurityFault, which names `what` it was."""
    place = place_of(name, keys)
    try:
        return place.read_bytes()
    except OSError as error:
        raise SecurityFault(
            f"{what} cannot be read from {place} ({error.strerror}): put the file there, readable for the service alone"
        ) from error
