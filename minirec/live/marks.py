"""Marks of erased users: that a user must not be known any more, told without the user's id."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ..data.ids import Id


@dataclass(frozen=True)
class Marks:
    """A set of users as HMAC-SHA256 hashes of their ids. `user in marks` asks for one; a union is of marks with one key.

    The key is random and stays in the store's table `meta`. Who has neither store nor key learns nothing from a hash; who has the store
    can test an id that they guess, but cannot list the ids. Snapshots of the store hold key and marks as well.

    >>> marks = Marks(b"key", frozenset({mark_of(b"key", 42)}))
    >>> 42 in marks, "42" in marks
    (True, False)
    """

    key: bytes = b""
    hashes: frozenset[str] = frozenset()

    def __contains__(self, user: object) -> bool:
        return bool(self.hashes) and isinstance(user, (int, str)) and mark_of(self.key, user) in self.hashes

    def __or__(self, other: Marks) -> Marks:
        return Marks(other.key, self.hashes | other.hashes)


def mark_of(key: bytes, user: Id) -> str:
    """The keyed hash of an id: 64 hexadecimal digits. 42 and "42" differ."""
    return hmac.digest(key, f"{'i' if isinstance(user, int) else 's'}{user}".encode(), "sha256").hex()
