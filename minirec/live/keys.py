"""Who may do what: keys with roles, and how often."""

from __future__ import annotations

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from ..errors import ParameterError

ROLES = ("read", "write", "admin")  # each may do what those before it may
_CLIENTS = 10_000  # whose rates are remembered


class Keys:
    """Keys by their SHA-256; with none, everybody may do everything."""

    def __init__(self, roles: Mapping[str, str] | None = None) -> None:
        self._roles: dict[bytes, int] = {}
        for key, role in (roles or {}).items():
            if role not in ROLES:
                raise ParameterError(f"the role of a key must be one of {', '.join(ROLES)}, got {role!r}")
            if len(key) < 16:
                raise ParameterError(f"a key of role {role} has {len(key)} characters; at least 16 are needed")
            self._roles[_digest(key.encode())] = ROLES.index(role)

    @classmethod
    def read(cls, path: str | Path | None) -> Keys:
        """Keys of a file, `ROLE KEY` a line, and of the environment variable MINIREC_KEY, whose role is admin."""
        roles: dict[str, str] = {}
        if path is not None:
            try:
                lines = Path(path).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ParameterError(f"cannot read the keys in {path}: {getattr(error, 'strerror', None) or error}") from None
            for at, line in enumerate(lines, 1):
                words = line.split()
                if not words or words[0].startswith("#"):
                    continue
                if len(words) != 2:
                    raise ParameterError(f"{path}, line {at}: a key stands as `ROLE KEY`, the role one of {', '.join(ROLES)}")
                roles[words[1]] = words[0]
            if not roles:
                raise ParameterError(f"{path} holds no keys: write one a line, as `ROLE KEY`")
        if os.environ.get("MINIREC_KEY"):
            roles[os.environ["MINIREC_KEY"]] = "admin"
        return cls(roles)

    def __len__(self) -> int:
        return len(self._roles)

    def role(self, headers: Mapping[bytes, bytes]) -> int:
        """The role of a request by its headers, as a place in ROLES; -1 where it has no key or an unknown one."""
        given = headers.get(b"x-api-key", b"")
        bearer = headers.get(b"authorization", b"")
        if bearer[:7].lower() == b"bearer ":
            given = bearer[7:].strip()
        return self._roles.get(_digest(given), -1)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


class Rates:
    """A token bucket for each client: `rate` requests a second, twice as many at once. A rate of 0: no limit."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def wait(self, client: bytes, now: float | None = None) -> float:
        """Seconds until the client may ask again; 0 where this request may pass."""
        if not self.rate:
            return 0.0
        now = time.monotonic() if now is None else now
        tokens, before = self._left.pop(client, (2 * self.rate, now))
        tokens = min(2 * self.rate, tokens + (now - before) * self.rate)
        allowed = tokens >= 1
        self._left[client] = (tokens - 1 if allowed else tokens, now)
        if len(self._left) > _CLIENTS:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self.rate
