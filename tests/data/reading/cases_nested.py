"""Nested and listed data, and tables of items and users."""

import json

from cases import Case, csv

_USER = [
    {"user": {"id": 1, "name": "Ann"}, "item": {"sku": "a"}, "qty": 2},
    {"user": {"id": 2, "name": "Bob"}, "item": {"sku": "b"}, "qty": 1},
]
_SESSIONS = [{"session": "s1", "events": [{"aid": 5, "ts": 10}, {"aid": 6, "ts": 11}]}, {"session": "s2", "events": [{"aid": 5, "ts": 12}]}]
_PAIRS = csv("user,item", "1,10", "2,11")
_ITEMS = [(1, 10), (2, 11)]
_NAN = float("nan")


def _lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


CASES = {
    "fields within an object": Case(_lines(_USER), [(1, "a", 2.0), (2, "b", 1.0)], {"user": "user.id", "item": "item.sku"}, name="e.jsonl"),
    "fields within an object are guessed": Case(_lines([{"user": {"id": 1}, "item": {"id": 2}}]), [(1, 2)], name="e.jsonl"),
    "a whole object is no id": Case(
        _lines([{"user": 1, "item": "a"}, {"user": {"id": 2}, "item": "b"}]), [(1, "a")], {"user": "user"}, name="e.jsonl",
        removed={"malformed row": 1}, notes=("the user is a whole object",),
    ),
    "a list is no id": Case(_lines([{"user": 1, "item": "a"}, {"user": 2, "item": ["b"]}]), [(1, "a")], name="e.jsonl", removed={"malformed row": 1}),
    "a field that is not there": Case(_lines(_USER), "no column 'user.key' for user", {"user": "user.key"}, name="e.jsonl"),
    "sessions": Case(
        _lines(_SESSIONS), [("s1", 5, 10), ("s1", 6, 11), ("s2", 5, 12)],
        {"explode": "events", "user": "session", "item": "events.aid", "time": "events.ts"}, name="e.jsonl", unit="order",
    ),
    "sessions in an array": Case(
        json.dumps(_SESSIONS), [("s1", 5, 10), ("s1", 6, 11), ("s2", 5, 12)],
        {"explode": "events", "user": "session", "item": "events.aid", "time": "events.ts"}, name="e.json", unit="order",
    ),
    "clicks in a list": Case(_lines([{"user": 1, "clicks": [10, 11]}, {"user": 2, "clicks": []}]), [(1, 10), (1, 11)], {"explode": "clicks", "item": "clicks"}, name="e.jsonl"),
    "two lists side by side": Case(
        _lines([{"user": 1, "items": [10, 11], "stars": [5, 3]}]), [(1, 10, 5.0), (1, 11, 3.0)],
        {"explode": ["items", "stars"], "item": "items", "weight": "stars"}, name="e.jsonl",
    ),
    "two lists of different length": Case(
        _lines([{"user": 1, "items": [10, 11], "stars": [5]}]), "record 1: the lists to explode differ in length",
        {"explode": ["items", "stars"], "item": "items", "weight": "stars"}, name="e.jsonl",
    ),
    "histories with blanks": Case(csv("user,history", "1,10 11", "2,12"), [(1, 10), (1, 11), (2, 12)], {"explode": "history", "item": "history"}),
    "histories with bars": Case(csv("user,history", "1,a|b", "2,"), [(1, "a"), (1, "b")], {"explode": "history", "item": "history"}),
    "histories as Python lists": Case(csv("user;history", "1;['a', 'b']", "2;['c']"), [(1, "a"), (1, "b"), (2, "c")], {"explode": "history", "item": "history"}),
    "histories by position": Case(csv("1\t10 11", "2\t12"), [(1, 10), (1, 11), (2, 12)], {"explode": "1", "user": 0, "item": 1, "delimiter": "\t", "header": False}),
    "explode of a field that is not there": Case(csv("user,history", "1,a"), "no column 'clicks' for explode", {"explode": "clicks", "item": "history"}),
    # ---- tables of items and users
    "numbers of items, some missing": Case(
        {"e.csv": _PAIRS, "i.csv": csv("id,price,code,title", "10,2.5,007,A", "11,NA,008,NULL")}, _ITEMS, {"items": "path:i.csv"}, name="e.csv",
        features={"price": {10: 2.5, 11: _NAN}, "code": {10: "007", 11: "008"}, "title": {10: "A", 11: ""}},
    ),
    "items in JSON lines": Case(
        {"e.csv": _PAIRS, "i.json": _lines([{"id": 10, "title": "A", "tags": ["x", "y"]}, {"id": 11, "title": None, "tags": []}])}, _ITEMS,
        {"items": "path:i.json"}, name="e.csv", features={"title": {10: "A", 11: ""}, "tags": {10: "x, y", 11: ""}},
    ),
    "items in UTF-16": Case({"e.csv": _PAIRS, "i.csv": csv("id,title", "10,é", "11,ü").encode("utf-16")}, _ITEMS, {"items": "path:i.csv"}, name="e.csv", features={"title": {10: "é", 11: "ü"}}),
    "items with carriage returns": Case({"e.csv": _PAIRS, "i.csv": csv("id,title", "10,é", "11,ü", end="\r")}, _ITEMS, {"items": "path:i.csv"}, name="e.csv", features={"title": {10: "é", 11: "ü"}}),
    "items that nobody knows": Case({"e.csv": _PAIRS, "i.csv": csv("id,title", "90,A")}, "none is among the items of the events", {"items": "path:i.csv"}, name="e.csv"),
    "items whose ids are texts": Case(_PAIRS, _ITEMS, {"items": {"id": ["10", "11"], "title": ["A", "B"]}}, features={"title": {10: "A", 11: "B"}}),
    "tags by id": Case(_PAIRS, _ITEMS, {"items": {10: ["x", "y"], 99: ["z"]}}, features={"tags": {10: "x, y", 11: ""}}),
    "features by id": Case(_PAIRS, _ITEMS, {"items": {"price": {10: 1, 11: None}}}, features={"price": {10: 1.0, 11: _NAN}}),
    "vectors by id": Case(_PAIRS, _ITEMS, {"items": {10: [1.0, 2.0]}}, features={"vector": {10: [1.0, 2.0], 11: [0.0, 0.0]}}),
    "vectors of two lengths": Case(_PAIRS, "vectors of different lengths: 1, 2", {"items": {10: [1.0, 2.0], 11: [1.0]}}),
    "users": Case(
        {"e.csv": _PAIRS, "u.csv": csv("user_id,age,city", "1,30,Oslo", "2,,NA")}, _ITEMS, {"users": "path:u.csv"}, name="e.csv",
        user_features={"age": {1: 30.0, 2: _NAN}, "city": {1: "Oslo", 2: ""}},
    ),
}  # fmt: skip
