"""The operations of the service, as OpenAPI tells of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from .asks import MAX_BATCH, MAX_ITEMS, MAX_K

DESCRIPTION = (
    "Recommendations that learn from every event. An id is a whole number or a text, as in the data. "
    'Where keys are configured, writes and what is held of users need one: Authorization: Bearer KEY. Errors are {"error": text}.'
)
_ID = {"anyOf": [{"type": "integer"}, {"type": "string", "minLength": 1, "maxLength": 256}]}
_IDS = {"type": "array", "items": _ID, "maxItems": MAX_ITEMS}
_K = {"type": "integer", "minimum": 1, "maximum": MAX_K, "default": 10}
_ERROR = {
    "description": "what was wrong",
    "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}},
}
_ITEM = {
    "type": "object",
    "properties": {"item": _ID, "score": {"type": "number"}, "source": {"type": "string"}},
    "additionalProperties": True,
}
_LIST = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": _ITEM}, "list_id": {"type": "string"}, "user": _ID, "ignored": _IDS,
        "source": {"type": "string", "enum": ["user", "history", "session", "popular"]},
    },
    "required": ["items", "list_id", "source"],
}  # fmt: skip
_EVENT = {
    "type": "object",
    "properties": {
        "event_id": _ID, "user": _ID, "item": _ID, "kind": {"type": "string", "example": "click"},
        "time": {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}], "description": "seconds, or ISO 8601"},
        "value": {"type": "number"},
    },
    "required": ["event_id", "user", "item", "kind"],
}  # fmt: skip
_RULES = {
    "type": "object",
    "properties": {
        "require": {"type": "object", "description": "{column: value or values}: only such items"},
        "exclude": {"type": "object", "description": "{column: value or values}: no such items"},
        "cap": {"type": "object", "description": "{column: n}: at most n items of the same value"},
        "tail": {"type": "number", "minimum": 0, "maximum": 1, "description": "least share of the list for items of the tail"},
    },
}
_ANY: dict[str, Any] = {"type": "object", "additionalProperties": True}


class Operation(NamedTuple):
    """One operation: `extra` are its parameters and body, `responses` what it gives."""

    method: str
    path: str
    tag: str
    summary: str
    extra: dict[str, Any]
    responses: dict[int | str, dict[str, Any]]


def _query(name: str, schema: dict[str, Any], required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _gives(schema: dict[str, Any], kind: str = "application/json") -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "the answer", "content": {kind: {"schema": schema}}}, "4XX": _ERROR, "5XX": _ERROR}


_FLAG = {"type": "integer", "enum": [0, 1], "default": 0}
OPERATIONS = {
    "recommend": Operation(
        "GET", "/v1/recommend", "recommend", "The list for a user, or the most popular items for nobody",
        {"parameters": [_query("user", {"type": "string"}), _query("k", _K), _query("include_seen", _FLAG), _query("preview", _FLAG)]},
        _gives(_LIST),
    ),
    "recommend_by_body": Operation(
        "POST", "/v1/recommend", "recommend", "The list for a history, a session, several users; with filters and rules",
        _body({
            "type": "object",
            "properties": {
                "user": _ID, "users": {**_IDS, "maxItems": MAX_BATCH}, "history": _IDS, "session": _IDS, "k": _K,
                "include_seen": {"type": "boolean"}, "candidates": _IDS, "deny": _IDS, "rules": _RULES,
                "preview": {"type": "boolean", "description": "a look that is not logged as shown"},
            },
        }),
        _gives({"anyOf": [_LIST, {"type": "object", "properties": {"lists": {"type": "array", "items": _LIST}}}]}),
    ),
    "similar": Operation(
        "GET", "/v1/similar/{item}", "recommend", "The items most like one", {"parameters": [_path("item"), _query("k", _K)]},
        _gives({"type": "object", "properties": {"items": {"type": "array", "items": _ITEM}, "source": {"type": "string"}}}),
    ),
    "explain": Operation(
        "GET", "/v1/explain", "recommend", "The score of an item for a user, in parts that add up to it",
        {"parameters": [_query("user", {"type": "string"}, True), _query("item", {"type": "string"}, True)]}, _gives(_ANY),
    ),
    "events": Operation(
        "POST", "/v1/events", "feedback", "Store events; those acknowledged are durable, and each counts once however often it is sent",
        _body({"type": "array", "items": _EVENT}),
        _gives({
            "type": "object",
            "properties": {
                "acknowledged": {"type": "array", "items": _ID}, "rejected": {"type": "array", "items": _ANY},
                "durability": {"type": "string", "enum": ["power", "process"]},
            },
        }),
    ),
    "put_items": Operation(
        "PUT", "/v1/items", "columns", "Set columns of items", _body({"type": "array", "items": {**_ANY, "required": ["item"]}}),
        _gives({"type": "object", "properties": {"stored": {"type": "integer"}}}),
    ),
    "put_users": Operation(
        "PUT", "/v1/users", "columns", "Set columns of users", _body({"type": "array", "items": {**_ANY, "required": ["user"]}}),
        _gives({"type": "object", "properties": {"stored": {"type": "integer"}}}),
    ),
    "item": Operation("GET", "/v1/items/{item}", "columns", "What is known of an item", {"parameters": [_path("item")]}, _gives(_ANY)),
    "user": Operation("GET", "/v1/users/{user}", "users", "All that is held of a user", {"parameters": [_path("user")]}, _gives(_ANY)),
    "delete_user": Operation("DELETE", "/v1/users/{user}", "users", "Erase a user", {"parameters": [_path("user")]}, _gives(_ANY)),
    "overview": Operation("GET", "/v1/overview", "operation", "Events a minute, tail, coverage, clicks, latency", {}, _gives(_ANY)),
    "audit": Operation("GET", "/v1/audit", "operation", "What was served in the last day, by groups of items", {}, _gives(_ANY)),
    "health": Operation("GET", "/health", "operation", "Whether the service answers, and by which model", {}, _gives(_ANY)),
    "prometheus": Operation("GET", "/metrics", "operation", "Counters and latencies", {}, _gives({"type": "string"}, "text/plain")),
}  # fmt: skip
