"""What goes wrong with the embedded database, as sentences a user can act on."""

from typing import Final

from telemetry.errors import Refusal

OTHER_DATABASE: Final = (
    "Set TELEMETRY_DATABASE_URL to a TimescaleDB of your own (docs/compose.yaml starts one with Docker), or "
    "TELEMETRY_DATABASE_SOFTWARE to a folder unpacked on another machine."
)


class DatabaseError(Refusal):
    """The embedded database cannot be provided, started or stopped."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)


class NoPackagesError(DatabaseError):
    """This machine cannot hand us PostgreSQL and TimescaleDB: no apt, or no Debian mirror that its apt knows."""

    def __init__(self, what: str) -> None:
        super().__init__(what, OTHER_DATABASE)
