"""The embedded TimescaleDB: used where TELEMETRY_DATABASE_URL names no other."""

from telemetry.database.cluster import EmbeddedDatabase, stored_url
from telemetry.database.errors import DatabaseError
from telemetry.database.software import Progress

__all__ = ["DatabaseError", "EmbeddedDatabase", "Progress", "stored_url"]
