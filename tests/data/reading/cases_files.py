"""Formats told by content, whatever the name; roles; file names that look like patterns; files as their publishers lay them out."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

from cases import Case, csv

_PLAIN = csv("user,item,rating,timestamp", "1,10,3.5,100", "2,11,4,101")
_ROWS = [(1, 10, 3.5, 100), (2, 11, 4.0, 101)]
_PAIRS = [(1, 10), (2, 11)]


def _zip(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return packed.getvalue()


def _plain(content, name="events.csv", rows=_ROWS, unit="order", **more):
    return Case(content, rows, name=name, unit=unit, **more)


_JSONL = "".join(json.dumps({"user": u, "item": i, "rating": w, "timestamp": t}) + "\n" for u, i, w, t in _ROWS)
_ARRAY = json.dumps([{"user": u, "item": i, "rating": w, "timestamp": t} for u, i, w, t in _ROWS])
_PYTHON = "".join(str({"user": u, "item": i, "rating": w, "timestamp": t, "title": "it's", "x": None}) + "\n" for u, i, w, t in _ROWS)
_DATE = "2010-10-19T23:55:27Z"

CASES = {
    "csv": _plain(_PLAIN),
    "csv called parquet": _plain(_PLAIN, "events.parquet"),
    "csv called nothing": _plain(_PLAIN, "events"),
    "gzip": _plain(gzip.compress(_PLAIN.encode())),
    "bzip2": _plain(bz2.compress(_PLAIN.encode())),
    "xz called gz": _plain(lzma.compress(_PLAIN.encode()), "events.csv.gz"),
    "zip of one file": _plain(_zip(events__csv=_PLAIN), "events.zip"),
    "zip of two files": Case(_zip(a__csv=_PLAIN, b__csv=_PLAIN), "a zip archive of 2 files .a.csv, b.csv.: unpack it", name="events.zip"),
    "a workbook": Case(_zip(**{"[Content_Types].xml": "x", "xl/workbook.xml": "y"}), "an Excel workbook.*save the sheet as CSV", name="events.xlsx"),
    "7z": Case(b"7z\xbc\xaf\x27\x1c" + bytes(50), "a 7z archive: unpack it with `7z x`"),
    "a pickle": Case(b"\x80\x05\x95" + bytes(50), "a pickle, which is never read"),
    "a page": Case("<!DOCTYPE html><html>not found</html>", "a page of HTML"),
    "a byte-order mark": _plain("\ufeff" + _PLAIN),
    "UTF-16": _plain(_PLAIN.encode("utf-16")),
    "UTF-16 without a mark": _plain(_PLAIN.encode("utf-16-le")),
    "UTF-16 in gzip": _plain(gzip.compress(_PLAIN.encode("utf-16"))),
    "carriage returns": _plain(_PLAIN.replace("\n", "\r")),
    "Windows": _plain(_PLAIN.replace("\n", "\r\n")),
    "JSON lines": _plain(_JSONL, "events.jsonl"),
    "JSON lines called json": _plain(_JSONL, "events.json"),
    "JSON lines called json.gz": _plain(gzip.compress(_JSONL.encode()), "events.json.gz"),
    "JSON lines called csv": _plain(_JSONL),
    "a JSON array": _plain(_ARRAY, "events.json"),
    "a JSON array over lines": _plain(json.dumps(json.loads(_ARRAY), indent=1), "events.json"),
    "JSON objects over lines": _plain("\n".join(json.dumps(entry, indent=1) for entry in json.loads(_ARRAY)), "events.json"),
    "a JSON array cut short": Case(_ARRAY[:-20], "not valid JSON", name="events.json"),
    "JSON lines in UTF-16": _plain(_JSONL.encode("utf-16"), "events.json"),
    "Python dictionaries": _plain(_PYTHON, "events.json.gz"),
    "JSON numbers of 4,300 digits": Case('{"user": ' + "9" * 4301 + ', "item": 1}\n{"user": 2, "item": 3}\n', [("9" * 4301, 1), ("2", 3)], name="e.json"),
    "JSON booleans as weights": Case('{"user": 1, "item": 10, "weight": true}\n{"user": 2, "item": 11, "weight": false}\n', [(1, 10, 1.0), (2, 11, 0.0)], name="e.json"),
    "JSON nulls": Case('{"user": 1, "item": 10}\n{"user": null, "item": 11}\n', [(1, 10)], name="e.json", removed={"missing user id": 1}),
    "an encoding that is none": Case(_PLAIN, "'rot13' is not an encoding of text", {"encoding": "rot13"}),
    "an encoding that is unknown": Case(_PLAIN, "unknown encoding 'klingon'", {"encoding": "klingon"}),
    "typed headers": Case(csv("user_id:token\titem_id:token\trating:float\ttimestamp:float", "1\t10\t3.5\t100", "2\t11\t4\t101"), _ROWS, name="a.inter", unit="order"),
    "a name with brackets": Case({"events[1].csv": _PLAIN, "events1.csv": "user,item\n5,6\n"}, _ROWS, name="events[1].csv", unit="order"),
    "a name with a star": Case({"a*.csv": _PLAIN, "ab.csv": "user,item\n5,6\n"}, _ROWS, name="a*.csv", unit="order"),
    "a name with a question mark": Case({"a?.csv": _PLAIN, "ab.csv": "user,item\n5,6\n"}, _ROWS, name="a?.csv", unit="order"),
    "a folder that looks like a partition": Case({"user=7/date=2020-01-01/e.csv": csv("user,item", "1,10", "2,11")}, _PAIRS, name="user=7/date=2020-01-01/e.csv"),
    # ---- roles
    "once a column is named, no other goes by place": Case(csv("1,10,3.5", "2,11,4"), _PAIRS, {"user": 0, "item": 1}, notes=("'column 2' looks like a weight",)),
    "without a header, all by place": Case(csv("1,10,3.5,100", "2,11,4,101"), _ROWS, unit="order", notes=("weight: guessed to be column 'column 2'",)),
    "a column of dates is no item": Case(csv("1,2009-12-01,10", "2,2009-12-02,11"), [(1, 10, 1259625600), (2, 11, 1259712000)]),
    "check-ins": Case(csv(f"0\t{_DATE}\t30.2359091167\t-97.7951395833\t22847", f"1\t{_DATE}\t30.2691029532\t-97.7493953705\t420315"), [(0, 22847, 1287532527), (1, 420315, 1287532527)], name="g.txt"),
    "a second time is told": Case(csv("user,item,timestamp,date", "1,10,100,2020-01-01", "2,11,101,2020-01-02"), [(1, 10, 100), (2, 11, 101)], unit="order", notes=("column 'date' looks like a time and was not taken",)),
    "a time that is not wanted is not told": Case(csv("user,item,timestamp", "1,10,100", "2,11,101"), _PAIRS, {"time": False}, quiet=("looks like",)),
    "names that stand twice": Case(csv("user,item,user", "1,10,5"), "there are 2 columns named 'user'", {"user": "user"}),
    "no column for the item": Case(csv("user,thing", "1,10"), "which column is the item.*'user', 'thing'"),
    # ---- publishers
    "Netflix": Case("1:\n5,3,2009-12-01\n6,4,2009-12-02\n2:\n5,1,2009-12-01\n", [(5, 1, 3.0, 1259625600), (6, 1, 4.0, 1259712000), (5, 2, 1.0, 1259625600)], {"format": "netflix"}, name="combined_data_1.txt"),
    "Netflix without ratings": Case("1:\n5\n6\n2:\n5\n", [(5, 1), (6, 1), (5, 2)], {"format": "netflix"}, name="probe.txt"),
    "Netflix, a folder": Case({"t/mv_1.txt": "1:\n5,3,2009-12-01\n", "t/mv_2.txt": "2:\n5,1,2009-12-01\n"}, [(5, 1, 3.0, 1259625600), (5, 2, 1.0, 1259625600)], {"format": "netflix"}, name="t"),
    "Netflix without a block": Case("5,3,2009-12-01\n", "line 1: a block begins with a line such as '1:'", {"format": "netflix"}),
    "RecBole": Case({"d/a.inter": "user_id:token\titem_id:token\trating:float\n1\t10\t3\n2\t11\t4\n", "d/a.item": "item_id:token\tyear:float\n10\t1990\n11\t\n"}, [(1, 10, 3.0), (2, 11, 4.0)], {"format": "recbole"}, name="d", features={"year": {10: 1990.0, 11: float("nan")}}),
    "MIND": Case({"m/behaviors.tsv": "1\tU1\t11/11/2019 9:05:58 AM\tN1 N2\tN3-1 N4-0\n2\tU2\t11/13/2019 9:05:58 PM\t\tN4-0 N3-0 N5-1\n", "m/news.tsv": "N3\tsports\tgolf\tTitle 3\tText\tu\t[]\t[]\nN5\tnews\tworld\tTitle 5\t\tu\t[]\t[]\n"}, [("U1", "N3", 1573463158), ("U2", "N5", 1573679158)], {"format": "mind"}, name="m", notes=("3 items were shown and not clicked",), features={"category": {"N3": "sports", "N5": "news"}, "subcategory": {"N3": "golf", "N5": "world"}, "title": {"N3": "Title 3", "N5": "Title 5"}, "abstract": {"N3": "Text", "N5": ""}}),
    "OTTO": Case('{"session":1,"events":[{"aid":5,"ts":1661724000278,"type":"clicks"},{"aid":6,"ts":1661724000100,"type":"carts"}]}\n{"session":2,"events":[]}\n', [(1, 5, 1661724000278), (1, 6, 1661724000100)], {"format": "otto"}, unit="ms", kinds=("carts", "clicks"), name="test.jsonl"),
    "Amazon, reviews": Case("{'reviewerID': 'A1', 'asin': '0000013714', 'overall': 5.0, 'unixReviewTime': 1353110400}\n{'reviewerID': 'A2', 'asin': 'B000000001', 'overall': 3.0, 'unixReviewTime': 1353110401}\n", [("A1", "0000013714", 5.0, 1353110400), ("A2", "B000000001", 3.0, 1353110401)], {"format": "amazon"}, name="r.json"),
    "Amazon, ratings of 2014": Case("A1AAAAAAAAAAAA,0000013714,5.0,1353110400\nA2AAAAAAAAAAAA,B000000001,3.0,1353110401\n", [("A1AAAAAAAAAAAA", "0000013714", 5.0, 1353110400), ("A2AAAAAAAAAAAA", "B000000001", 3.0, 1353110401)], {"format": "amazon"}),
    "Amazon, ratings of 2018": Case("0000013714,A1AAAAAAAAAAAA,5.0,1353110400\nB000000001,A2AAAAAAAAAAAA,3.0,1353110401\n", [("A1AAAAAAAAAAAA", "0000013714", 5.0, 1353110400), ("A2AAAAAAAAAAAA", "B000000001", 3.0, 1353110401)], {"format": "amazon"}),
    "a folder as a path": Case({"d/e.csv": _PLAIN}, "this is a folder; name a file in it", name="d"),
}  # fmt: skip
