"""Structured logs: one JSON object a line, without ids of users or items, without keys and addresses."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import Any, TextIO


class Journal:
    """Writes what happens. `every`: each request, not only those that were slow or failed."""

    def __init__(self, out: TextIO | None = None, *, every: bool = False) -> None:
        self._out, self.every = out, every

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """One line."""
        moment = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": moment, "level": level, "event": event, **fields})
        out = sys.stderr if self._out is None else self._out
        out.write(line + "\n")
        out.flush()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request, by its route without what it asked for."""
        if self.every or status >= 500 or seconds > 1:
            self.write(
                "request", "error" if status >= 500 else "info", route=route, method=method, status=status, ms=round(seconds * 1000, 2)
            )
