"""Which store a name on the command line is of: a file, or a PostgreSQL database."""

from __future__ import annotations

from .records import POWER
from .store import EventStore


def open_store(name: str, *, durability: str = POWER, create: bool = True) -> EventStore:
    """`shop.db`: SQLite; `postgresql://...`: PostgreSQL (extra `postgres`). create : make a file that is missing."""
    if name.startswith(("postgresql://", "postgres://")):
        from .postgres import PostgresStore

        return PostgresStore(name, durability=durability)
    from .sqlite import SqliteStore

    return SqliteStore(name, durability=durability, create=create)
