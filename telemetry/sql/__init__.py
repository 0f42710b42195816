"""All SQL of the service: migrations, applied once in order, and named queries. No other folder holds any."""

import re
from functools import cache
from importlib import resources
from typing import LiteralString, cast


@cache
def _queries() -> dict[str, LiteralString]:
    found: dict[str, LiteralString] = {}
    for file in resources.files(__name__).iterdir():
        if file.name.endswith(".sql"):
            for part in re.split(r"(?m)^-- name: ", file.read_text(encoding="utf-8"))[1:]:
                name, text = part.split("\n", 1)
                found[name.strip()] = cast(LiteralString, text.strip().rstrip(";"))
    return found


def query(name: str) -> LiteralString:
    """The query that stands under ``-- name: NAME`` in one of the .sql files here."""
    return _queries()[name]


def migrations() -> list[tuple[int, str, LiteralString]]:
    """Number, name and text of each migration, in order."""
    folder = resources.files(__name__) / "migrations"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [
        (int(f.name[:4]), f.name[5:-4].replace("_", " "), cast(LiteralString, f.read_text(encoding="utf-8")))
        for f in files
    ]
