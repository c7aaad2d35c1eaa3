"""The tables of an event store, version by version: a new store runs all the steps, an old one those that it lacks."""

from __future__ import annotations

# {seq}: a number that ascends and is never given twice; {id}: the type of an id, whole number or text; {real}: double precision
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (  # 1: events
        "CREATE TABLE events (seq {seq}, event_id TEXT NOT NULL UNIQUE, user_id {id} NOT NULL, item_id {id} NOT NULL, "
        "kind TEXT NOT NULL, time {real} NOT NULL, value {real}, received {real} NOT NULL)",
        "CREATE INDEX events_user ON events (user_id)",
        "CREATE INDEX events_received ON events (received)",
    ),
    (  # 2: lists that were served
        "CREATE TABLE lists (seq {seq}, list_id TEXT NOT NULL UNIQUE, user_id {id}, time {real} NOT NULL, policy TEXT NOT NULL, "
        "model TEXT NOT NULL, items TEXT NOT NULL, scores TEXT NOT NULL, propensities TEXT NOT NULL)",
        "CREATE INDEX lists_user ON lists (user_id)",
        "CREATE INDEX lists_time ON lists (time)",
    ),
    (  # 3: columns of items and users, popularity with decay, snapshots
        "CREATE TABLE items (item_id {id} PRIMARY KEY, columns TEXT NOT NULL, version BIGINT NOT NULL)",
        "CREATE INDEX items_version ON items (version)",
        "CREATE TABLE users (user_id {id} PRIMARY KEY, columns TEXT NOT NULL, version BIGINT NOT NULL)",
        "CREATE TABLE popularity (item_id {id} PRIMARY KEY, score {real} NOT NULL, events BIGINT NOT NULL)",
        "CREATE TABLE snapshots (path TEXT PRIMARY KEY, time {real} NOT NULL)",
    ),
    ("CREATE TABLE erased (mark TEXT PRIMARY KEY)",),  # 4: keyed hashes of erased users, see `marks.py`
)
VERSION = len(MIGRATIONS)
