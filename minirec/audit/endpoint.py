"""A running system over HTTP, as something to ask: rate-limited, checked, nothing but the address that was named."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ..data.ids import Id, checked_id
from ..errors import DataError, ParameterError

MAX_ANSWER = 2**24  # bytes
_ITEM_KEYS = ("item", "item_id", "itemId", "Id", "id")


class Endpoint:
    """A system that answers POST requests of {"history": [...], "k": ...} with {"items": [{"item": ..., "score": ...}, ...]}.

    url : http or https. rate : requests a second at most. timeout : seconds to wait for an answer. headers : sent along, such as an
    authorization. The answer may as well be a plain array, of ids or of objects with an id. Redirects are not followed.
    `seconds` holds how long each answer took.

    >>> Endpoint("http://127.0.0.1:8000/v1/recommend", rate=5).rate
    5.0
    """

    def __init__(self, url: str, *, rate: float = 10.0, timeout: float = 10.0, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ParameterError(f"an endpoint is an address such as http://127.0.0.1:8000/v1/recommend, got {url!r}")
        if not rate > 0 or not timeout > 0:
            raise ParameterError(f"rate and timeout are above 0, got {rate!r} and {timeout!r}")
        self.url, self.rate, self.timeout = url, float(rate), float(timeout)
        self.headers = dict(headers or {})
        self.seconds: list[float] = []
        self._next = 0.0

    def __call__(self, histories: Sequence[Sequence[Id]], k: int) -> list[list[Id]]:
        """The list for each history, one request each."""
        return [self._one(list(history), k) for history in histories]

    def _one(self, history: list[Id], k: int) -> list[Id]:
        wait = self._next - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        start = time.monotonic()
        self._next = start + 1.0 / self.rate
        status, body = self._post(json.dumps({"history": history, "k": k}).encode())
        self.seconds.append(time.monotonic() - start)
        if status != 200:
            raise DataError(f"{self.url} answered {status}: {body[:200].decode(errors='replace')}")
        return self._items(body)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self.timeout)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {"Content-Type": "application/json", **self.headers})
            answer = connection.getresponse()
            content = answer.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise DataError(f"{self.url} cannot be asked: {type(error).__name__}: {error}") from None
        finally:
            connection.close()
        if len(content) > MAX_ANSWER:
            raise DataError(f"{self.url} answered with more than {MAX_ANSWER:,} bytes")
        return answer.status, content

    def _items(self, body: bytes) -> list[Id]:
        try:
            content: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise DataError(f"{self.url} answered with something that is not JSON: {body[:100]!r}") from None
        if isinstance(content, dict):
            content = content.get("items", content.get("recommendations"))
        if not isinstance(content, list):
            raise DataError(f"{self.url} answered without a list of items: {body[:100]!r}")
        items = []
        for entry in content:
            if isinstance(entry, dict):
                key = next((name for name in _ITEM_KEYS if name in entry), None)
                if key is None:
                    raise DataError(f"{self.url} answered with an item without an id; its keys are {', '.join(map(str, entry))}")
                entry = entry[key]
            items.append(checked_id(entry, "item id"))
        return items

    def latency(self) -> tuple[float, float] | None:
        """Median and 95th percentile of the seconds that answers took; None before the first."""
        return None if not self.seconds else (float(np.median(self.seconds)), float(np.quantile(self.seconds, 0.95)))
