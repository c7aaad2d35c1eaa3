"""Malformed input, in one table: each is a clear DataError or a counted removal, never a traceback of another kind."""

import gzip
import warnings

import numpy as np
import pytest

from minirec.data.reading.readers import FORMATS, read_with_account
from minirec.errors import DataError, MinirecError

GOOD = b"user,item,weight,time\n1,10,2,100\n2,11,3,101\n"
HEAD = b"user,item,weight,time\n"
PACKED = gzip.compress(GOOD * 1000)

# name of the file, its bytes, keyword arguments, and what must come: words of the error, or the rows that are removed
CASES = {
    "empty file": ("a.csv", b"", {}, "empty"),
    "blank lines only": ("a.csv", b"\n\n \n", {}, "empty"),
    "header only": ("a.csv", HEAD, {}, "no usable events"),
    "header without line end": ("a.csv", b"user,item", {}, "no usable events"),
    "one byte": ("a.csv", b"x", {}, "divides the columns"),
    "one column": ("a.csv", b"user\n1\n2\n", {}, "divides the columns"),
    "binary": ("a.csv", bytes(range(256)) * 10, {}, "not a text file|not valid utf-8"),
    "zero bytes": ("a.csv", b"user,item\n\0\0,1\n", {}, "not a text file"),
    "an image": ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), {}, "not a text file|not valid"),
    "truncated gzip": ("a.csv.gz", PACKED[: len(PACKED) // 2], {}, "damaged or truncated"),
    "gzip cut in the head": ("a.csv.gz", PACKED[:5], {}, "damaged or truncated"),
    "gzip with a wrong checksum": ("a.csv.gz", PACKED[:-8] + b"12345678", {}, "damaged or truncated"),
    "gzip of nothing": ("a.csv.gz", gzip.compress(b""), {}, "empty"),
    "called gz, but is not": ("a.csv.gz", GOOD, {}, 0),
    "latin-1 as utf-8": ("a.csv", HEAD + "1,caf\xe9,1,1\n".encode("latin-1"), {}, "encoding="),
    "latin-1 far behind": ("a.csv", HEAD + b"1,10,1,1\n" * 40_000 + b"1,\xe9,1,1\n", {}, "encoding="),
    "utf-16 unannounced": ("a.csv", GOOD.decode().encode("utf-16"), {}, 0),
    "utf-8 as utf-16": ("a.csv", GOOD + b"x", {"encoding": "utf-16"}, "not valid utf-16|divides|cannot tell"),
    "unknown encoding": ("a.csv", GOOD, {"encoding": "klingon"}, "unknown encoding"),
    "missing user column": ("a.csv", b"item,weight\n1,2\n", {}, "which column is the user.*'item', 'weight'"),
    "missing item column": ("a.csv", b"user,weight\n1,2\n", {}, "which column is the item"),
    "named column that is not there": ("a.csv", GOOD, {"user": "customer"}, "no column 'customer' for user.*'user', 'item'"),
    "position that is not there": ("a.csv", GOOD, {"user": 9}, "no column 9"),
    "negative position": ("a.csv", GOOD, {"user": -1}, "no column -1"),
    "true for a column": ("a.csv", GOOD, {"user": True}, "by name or by position"),
    "the same column twice": ("a.csv", GOOD, {"user": "item", "item": "item"}, "both column 'item'"),
    "wrong delimiter": ("a.csv", GOOD, {"delimiter": ";"}, "which column is the user"),
    "a header of 100,000 columns": ("a.csv", b",".join(b"c%d" % n for n in range(100_000)) + b"\n1,2\n", {}, "100,000 columns"),
    "a line without end": ("a.csv", b"x," * 5_000_000, {}, "longer than"),
    "too few fields": ("a.csv", HEAD + b"1,10,2,100\n1,10\n", {}, 1),
    "too many fields": ("a.csv", HEAD + b"1,10,2,100\n1,10,2,100,9\n", {}, 1),
    "ragged throughout": ("a.csv", HEAD + b"1\n1,2\n1,2,3\n1,10,2,100\n", {}, 3),
    "all rows ragged": ("a.csv", HEAD + b"1,2\n3,4\n", {}, "no usable events"),
    "a quote never closed": ("a.csv", HEAD + b'1,10,2,100\n"2,11,3,101\n', {}, 1),
    "text after a quote": ("a.csv", HEAD + b'1,10,2,100\n"a"b"c,11,3,101\n', {}, 0),
    "line ends of both kinds": ("a.csv", GOOD + b"3,12,1,102\r\n4,13,1,103\n", {}, 0),
    "the separator that replaces ::": ("a.dat", b"1::a\x1fb::3\n2::c::4\n", {}, {"duckdb": "0x1F", "compiled": "0x1F", "plain": 0}),
    "missing ids": ("a.csv", HEAD + b",10,2,100\n1,,2,100\n1,10,2,100\n", {}, 2),
    "blank ids": ("a.csv", HEAD + b"  ,10,2,100\n1,10,2,100\n", {}, 1),
    "quoted empty ids": ("a.csv", HEAD + b'"",10,2,100\n1,10,2,100\n', {}, 1),
    "ids with a newline": ("a.csv", HEAD + b'"1\n2",10,2,100\n1,10,2,100\n', {}, 1),
    "ids with a carriage return": ("a.csv", HEAD + b'"1\r2",10,2,100\n1,10,2,100\n', {}, 1),
    "an id of 1 MB": ("a.csv", HEAD + b"x" * 2**20 + b",10,2,100\n1,10,2,100\n", {}, 1),
    "an id of 5 MB": ("a.csv", HEAD + b"x" * 5 * 2**20 + b",10,2,100\n1,10,2,100\n", {}, 1),
    "nan weight": ("a.csv", HEAD + b"1,10,NaN,100\n1,10,2,100\n", {}, 0),
    "infinite weights": ("a.csv", HEAD + b"1,10,inf,1\n1,10,-inf,1\n1,10,2,100\n", {}, 2),
    "weight beyond float32": ("a.csv", HEAD + b"1,10,1e300,100\n1,10,2,100\n", {}, 1),
    "weight in words": ("a.csv", HEAD + b"1,10,many,100\n1,10,2,100\n", {}, 1),
    "weight with a decimal comma": ("a.csv", b"user;item;weight\n1;10;2,5\n1;10;2\n", {}, 1),
    "only weights in words": ("a.csv", HEAD + b"1,10,many,100\n", {}, "no usable events"),
    "negative times": ("a.csv", HEAD + b"1,10,2,-5\n1,10,2,100\n", {}, 1),
    "times in words": ("a.csv", HEAD + b"1,10,2,noon\n1,10,2,100\n", {}, 1),
    "a date that does not exist": ("a.csv", HEAD + b"1,10,2,2021-02-30\n1,10,2,2021-02-28\n", {}, 1),
    "a time beyond int64": ("a.csv", HEAD + b"1,10,2,1e30\n1,10,2,100\n", {}, 1),
    "a date before 1970": ("a.csv", HEAD + b"1,10,2,1950-01-01\n1,10,2,1990-01-01\n", {}, 1),
    "200 kinds": ("a.csv", b"user,item,kind\n" + b"".join(b"1,2,k%d\n" % n for n in range(200)), {}, "200 event kinds"),
    "a quoted id of 200 kB first": ("a.csv", b'user,item\n"' + b"x" * 200_000 + b'",1\n1,2\n', {}, 1),
    "half of a surrogate pair": ("a.jsonl", b'{"user":1,"item":2}\n{"user":"\\ud800","item":2}\n', {}, 1),
    "a json object of 17 MB": ("a.jsonl", b'{"user":1,"item":2,"x":"' + b"x" * 17 * 2**20 + b'"}\n', {}, 0),
    "a folder as csv": (".", None, {"format": "csv"}, "cannot be opened"),
    "folder": (".", None, {}, "folder"),
    "no such file": ("none.csv", None, {}, "no such file"),
    "no such parquet": ("none.parquet", None, {}, "no such file"),
    "no such npz": ("none.npz", None, {}, "no such file"),
    "no such jsonl": ("none.jsonl", None, {}, "no such file"),
    "unknown format": ("a.csv", GOOD, {"format": "excel"}, ", ".join(FORMATS)),
    "csv called parquet": ("a.parquet", GOOD, {}, 0),
    "truncated parquet": ("a.parquet", b"PAR1" + bytes(50), {}, "arquet"),
    "csv called npz": ("a.npz", GOOD, {}, 0),
    "truncated npz": ("a.npz", b"PK\x03\x04" + bytes(30), {}, "npz"),
    "csv called sqlite": ("a.db", GOOD, {"query": "select 1"}, "database"),
    "sqlite without query": ("a.db", b"SQLite format 3\0" + bytes(84), {}, "needs query"),
    "sqlite with an empty file": ("a.db", b"", {"query": "select user, item from t"}, "query failed"),
    "csv called jsonl": ("a.jsonl", GOOD, {}, 0),
    "json lines of lists": ("a.jsonl", b"[1,2]\n[3,4]\n", {}, "no JSON object"),
    "broken json line": ("a.jsonl", b'{"user":1,"item":2}\n{"user":1,\n', {}, 1),
    "deeply nested json": ("a.jsonl", b'{"user":1,"item":2}\n' + b"[" * 100_000 + b"\n", {}, 1),
    "json without the columns": ("a.jsonl", b'{"a":1}\n', {}, "which column is the user"),
    "json with nulls": ("a.jsonl", b'{"user":1,"item":2}\n{"user":null,"item":2}\n', {}, 1),
    "json in latin-1": ("a.jsonl", b'{"user":1,"item":"\xe9"}\n', {}, "utf-8"),
    "adjacency list without items": ("a.txt", b"1\n2\n", {"format": "adjacency"}, "no usable events"),
    "adjacency list, empty": ("a.txt", b"", {"format": "adjacency"}, "no usable events"),
    "movielens folder without ratings": (".", None, {"format": "movielens"}, r"no u\.data"),
    "movielens with a field short": ("ratings.dat", b"1::2::3\n1::2::3::4\n", {"format": "movielens"}, "no column 3"),
}


@pytest.mark.parametrize("case", CASES)
def test_malformed(tmp_path, engine, case):
    name, content, settings, expected = CASES[case]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    if name.endswith(".parquet") and engine != "duckdb":
        pytest.importorskip("pyarrow")
    if isinstance(expected, dict):
        expected = expected.get(engine, expected["plain"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if isinstance(expected, str):
            with pytest.raises(MinirecError, match=f"(?s){expected}"):
                read_with_account(path, **settings)
            return
        data, account = read_with_account(path, **settings)
    assert account.total() == expected
    assert account.events_in - account.total() == len(data)
    assert all(entry.examples for entry in account.entries if entry.action == "removed")
    assert data.weight is None or np.isfinite(data.weight).all()


def test_a_missing_parquet_reader_does_not_hide_a_missing_file(tmp_path, engine):
    with pytest.raises(DataError, match="no such file"):
        read_with_account(tmp_path / "a.parquet")
