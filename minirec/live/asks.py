"""Requests for lists, out of an address or a body: everything is checked before anything is looked up."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from ..data.ids import Id
from ..errors import RequestError
from .catalogue import check_rules
from .checks import id_from, whole_of
from .service import Ask, Service

MAX_K, MAX_ITEMS, MAX_BATCH = 500, 10_000, 1000
_FIELDS = ("user", "users", "history", "session", "k", "include_seen", "candidates", "deny", "rules", "preview")
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no", "")


def query(raw: bytes, allowed: tuple[str, ...]) -> dict[str, str]:
    """The parameters of an address, each named once at the most."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=20, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise RequestError("the parameters of the address are malformed: name=value&name=value", 400) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            raise RequestError(f"unknown parameter {name[:40]!r}; there are {', '.join(allowed)}")
        if name in found:
            raise RequestError(f"the parameter {name!r} stands twice")
        found[name] = value
    return found


def body(raw: bytes) -> Any:
    """JSON without NaN and without depths that exhaust the stack."""

    def refuse(name: str) -> float:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(raw, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {str(error)[:100]}", 400) from None


def whole(text: str, name: str, low: int, high: int) -> int:
    """A whole number of an address."""
    number = whole_of(text)
    if number is None or not low <= number <= high:
        raise RequestError(f"{name} must be a whole number from {low} to {high}")
    return number


def flag(text: str, name: str) -> bool:
    """A yes or no of an address."""
    if text.lower() not in _YES + _NO:
        raise RequestError(f"{name} must be 0 or 1")
    return text.lower() in _YES


def ask_of_query(raw: bytes, service: Service) -> tuple[Ask, bool]:
    """GET /v1/recommend?user=42&k=10: the request, and whether it is only a look that is not logged."""
    given = query(raw, ("user", "k", "include_seen", "preview"))
    user = None if "user" not in given else service.typed("user", id_from(given["user"], "user"), text=True)
    k = whole(given["k"], "k", 1, MAX_K) if "k" in given else 10
    return Ask(user, k=k, include_seen=flag(given.get("include_seen", ""), "include_seen")), flag(given.get("preview", ""), "preview")


def asks_of_body(raw: Any, service: Service) -> tuple[list[Ask], bool, bool]:
    """POST /v1/recommend: the requests, whether several were asked for (`users`), and whether it is only a look."""
    if not isinstance(raw, Mapping):
        raise RequestError('the body is an object such as {"user": 42, "k": 10}')
    unknown = [str(name)[:40] for name in raw if name not in _FIELDS]
    if unknown:
        raise RequestError(f"unknown field {unknown[0]!r}; there are {', '.join(_FIELDS)}")
    raw = {name: value for name, value in raw.items() if value is not None}
    k = raw.get("k", 10)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_K:
        raise RequestError(f"k must be a whole number from 1 to {MAX_K}")
    for name in ("include_seen", "preview"):
        if not (isinstance(raw.get(name, False), bool) or (type(raw[name]) is int and raw[name] in (0, 1))):
            raise RequestError(f"{name} must be true or false")
    if "users" in raw and ("user" in raw or "history" in raw):
        raise RequestError("give users (several lists), user, or history")

    def items(name: str) -> tuple[Id, ...]:
        return tuple(service.typed("item", i) for i in _ids(raw.get(name, []), name, MAX_ITEMS))

    first = Ask(
        service.typed("user", id_from(raw["user"], "user")) if "user" in raw else None,
        items("history") if "history" in raw else None,
        items("session"),
        k,
        bool(raw.get("include_seen", False)),
        items("candidates") if "candidates" in raw else None,
        items("deny"),
        check_rules(raw["rules"]) if "rules" in raw else None,
    )
    preview = bool(raw.get("preview", False))
    if "users" not in raw:
        return [first], False, preview
    users = [service.typed("user", user) for user in _ids(raw["users"], "users", MAX_BATCH)]
    return [first._replace(user=user) for user in users], True, preview


def _ids(raw: object, name: str, most: int) -> list[Id]:
    if not isinstance(raw, list):
        raise RequestError(f"{name} must be a list of ids")
    if len(raw) > most:
        raise RequestError(f"{name} has {len(raw):,} ids; at most {most:,} are possible", 413)
    return [id_from(value, f"{name}[{at}]") for at, value in enumerate(raw)]


def number(value: float) -> bytes:
    """A score, which is float32, so that it reads back to the same bits."""
    return b"%.9g" % value if math.isfinite(value) else b"null"
