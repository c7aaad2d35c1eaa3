"""Readers: what is read, what is guessed, what is counted."""

import csv
import datetime
import gzip
import io
import json
import sqlite3

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minirec.data.dataset import Dataset
from minirec.data.reading.readers import read, read_with_account
from minirec.errors import DataError, DataWarning, MissingExtraError, ParameterError


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def events(data):
    columns = [data.users.ids(data.user), data.items.ids(data.item)]
    columns += [column.tolist() for column in (data.weight, data.timestamp) if column is not None]
    return list(zip(*columns, strict=True))


def reasons(account):
    return {entry.reason: entry.count for entry in account.entries}


PLAIN = "user_id,item_id,rating,timestamp\n1,10,3.5,100\n2,11,4,101\n1,11,1,102\n"


@pytest.mark.parametrize(
    ("name", "content", "settings_"),
    [
        ("a.csv", PLAIN, {}),
        ("a.csv", PLAIN.replace("\n", "\r\n"), {}),
        ("a.csv", "\n\n" + PLAIN, {}),
        ("a.csv", PLAIN.rstrip("\n"), {}),
        ("a.csv", "\ufeff" + PLAIN, {}),
        ("a.tsv", PLAIN.replace(",", "\t"), {}),
        ("a.txt", PLAIN.replace(",", ";"), {}),
        ("a.txt", PLAIN.replace(",", "|"), {}),
        ("a.txt", PLAIN.replace(",", " "), {}),
        ("a.dat", PLAIN.replace(",", "::"), {}),
        ("a.dat", PLAIN.replace(",", "==="), {"delimiter": "==="}),
        ("a.csv", "\n".join(PLAIN.split("\n")[1:]), {}),
        ("a.csv", "\n".join(PLAIN.split("\n")[1:]), {"user": 0, "item": 1, "weight": 2, "time": 3, "header": False}),
        ("a.csv", PLAIN, {"user": 0, "item": 1, "weight": 2, "time": 3}),
        ("a.csv", PLAIN.replace("user_id", "//User ID"), {"user": "userid"}),
        ("a.csv.gz", gzip.compress(PLAIN.encode(), mtime=0), {}),
        ("a.csv", gzip.compress(PLAIN.encode(), mtime=0), {}),
        ("a.csv", PLAIN.encode("utf-16"), {"encoding": "utf-16"}),
        ("a.dat.gz", gzip.compress(PLAIN.replace(",", "::").encode("utf-16"), mtime=0), {"encoding": "utf-16"}),
        ("a.csv", PLAIN.replace("1,10", '"1","10"', 1), {}),
        ("a.csv", PLAIN.replace("1,10", " 1 , 10 ", 1), {}),
        ("a.csv", PLAIN.replace("2,11", "2.0,11.0"), {}),
        ("a.csv", PLAIN.replace("100", "100.7").replace("102", "1970-01-01T00:01:42"), {}),
    ],
)
def test_one_table_in_many_dresses(tmp_path, engine, name, content, settings_):
    data, account = read_with_account(write(tmp_path, name, content), **settings_)
    assert events(data) == [(1, 10, 3.5, 100), (2, 11, 4.0, 101), (1, 11, 1.0, 102)]
    assert account.events_in == account.events_out == 3
    assert data.name == "a"


def test_what_was_guessed_is_noted_and_false_turns_a_guess_off(tmp_path, engine):
    data, account = read_with_account(write(tmp_path, "a.csv", PLAIN), weight=False)
    assert data.weight is None
    assert account.notes == [
        "user: guessed to be column 'user_id'",
        "item: guessed to be column 'item_id'",
        "time: guessed to be column 'timestamp'",
    ]


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("customer_id,stock_code,invoice_date,quantity,price", "UITW"),
        ("//userID,artistID,weight,x,y", "UIW"),
        ("session,visitor,product,event,ts", None),
    ],
)
def test_column_names_of_the_wild(tmp_path, engine, header, roles):
    if roles is None:
        data, account = read_with_account(write(tmp_path, "a.csv", header + "\n9,1,2,view,5\n9,3,4,buy,6\n"))
        assert (data.kinds, events(data)) == (("buy", "view"), [(1, 2, 5), (3, 4, 6)])
        assert data.kind.tolist() == [1, 0]
        assert "kind: guessed to be column 'event'" in account.notes
        return
    data = read(write(tmp_path, "a.csv", header + "\n1,2,3,4,5\n6,7,8,9,10\n"))
    assert events(data)[0] == {"UITW": (1, 2, 4.0, 3), "UIW": (1, 2, 3.0)}[roles]


def test_three_columns_without_header_end_in_a_weight_or_a_time(tmp_path, engine):
    data = read(write(tmp_path, "a.csv", "1,10,3\n2,10,4\n"))
    assert (data.weight.tolist(), data.timestamp) == ([3.0, 4.0], None)
    data = read(write(tmp_path, "a.csv", "1,10,1365029107\n2,10,1365029108\n"))
    assert (data.weight, data.timestamp.tolist()) == (None, [1365029107, 1365029108])


def test_ids_stay_as_they_are_written_unless_all_are_whole_numbers(tmp_path, engine):
    data = read(write(tmp_path, "a.csv", "user,item\n007,1\n7,2\n8,12345678901234567890\n"))
    assert list(data.users) == ["007", "7", "8"]
    assert list(data.items) == ["1", "12345678901234567890", "2"]
    data = read(write(tmp_path, "a.csv", "user,item\n-7,ä\n8,z\n" + "9,a\n" * 30 + "9,''\n"))
    assert list(data.users) == [-7, 8, 9]
    assert list(data.items) == ["''", "a", "z", "ä"]


def test_a_promise_broken_after_the_sample_is_noticed(tmp_path, engine):
    rows = "".join(f"{n % 50},{n % 40},{n}\n" for n in range(40_000))
    path = write(tmp_path, "a.csv", f"user,item,time\n{rows}x,007,1970-01-02\n")
    data = read(path)
    assert data.users[len(data.users) - 1] == "x"
    assert "007" in data.items
    assert data.timestamp[-1] == 86_400
    assert len(data) == 40_001


def test_file_order_is_kept(tmp_path, engine):
    order = np.random.default_rng(0).permutation(30_000)
    data = read(write(tmp_path, "a.csv", "user,item\n" + "".join(f"u{n % 7},{n}\n" for n in order)))
    assert data.items.ids(data.item) == order.tolist()


def test_malformed_rows_are_counted_with_file_and_line(tmp_path, engine):
    content = "user,item,rating\n1,10,1\n2,11\n3,12,2,9\n4,13,1\n5\n6,14\n"
    with pytest.warns(DataWarning, match="4 rows were not used"):
        data = read(write(tmp_path, "a.csv", content))
    assert list(data.users) == [1, 4]
    _, account = read_with_account(tmp_path / "a.csv")
    (entry,) = account.entries
    assert (entry.reason, entry.count, account.events_in) == ("malformed row", 4, 6)
    assert [example.split(":")[0] for example in entry.examples] == ["a.csv, line 3", "a.csv, line 4", "a.csv, line 6"]


def test_bad_values_are_counted_by_reason(tmp_path, engine):
    rows = ["1,10,3,5", ",10,3,5", "2,,3,5", "3,10,abc,5", "4,10,nan,5", "5,10,inf,5", "6,10,1e39,5", "7,10,3,-5", "8,10,3,soon", "9,10,,5"]
    data, account = read_with_account(write(tmp_path, "a.csv", "user,item,weight,time\n" + "\n".join(rows)))
    assert reasons(account) == {
        "missing user id": 1,
        "missing item id": 1,
        "weight is not a number": 1,
        "weight is not finite": 2,
        "time is not a number or a date": 1,
        "negative time": 1,
        "missing weight, set to the median 3": 2,
    }
    assert list(data.users) == [1, 4, 9]
    assert data.weight.tolist() == [3.0, 3.0, 3.0]
    assert account.events_in - account.total() == account.events_out == len(data)


def test_missing_times_come_from_the_neighbouring_rows_of_the_user(tmp_path, engine):
    rows = ["a,1,", "a,2,7", "b,1,3", "a,3,", "b,2,", "c,1,"]
    data, account = read_with_account(write(tmp_path, "a.csv", "user,item,time\n" + "\n".join(rows)))
    assert events(data) == [("a", 1, 7), ("a", 2, 7), ("b", 1, 3), ("a", 3, 7), ("b", 2, 3)]
    assert reasons(account) == {"missing time, set to that of the user's nearest row": 3, "no time for any event of this user": 1}


def test_odd_ids_are_removed_and_counted(tmp_path, engine):
    long = "x" * 20_000
    content = f'user,item\n"a\nb",1\n{long},2\nc,3\n'
    data, account = read_with_account(write(tmp_path, "a.csv", content))
    assert list(data.users) == ["c"]
    assert reasons(account) == {"user id longer than 10,000 bytes": 1, "user id with a line break or a zero byte": 1}


def test_an_id_of_a_megabyte_costs_one_row(tmp_path, engine):
    data, account = read_with_account(write(tmp_path, "a.csv", f"user,item\n1,2\n{'x' * 2**20},2\n3,4\n"))
    assert len(data) == 2
    assert account.total() == 1


def test_kind_weights(tmp_path, engine):
    path = write(tmp_path, "a.csv", "user,item,event,n\n1,1,view,2\n1,1,buy,2\n2,1,gift,1\n3,1,,1\n")
    data, account = read_with_account(path, weight="n", kind_weights={"view": 1, "buy": 5})
    assert (data.weight.tolist(), data.kinds, data.kind.tolist()) == ([2.0, 10.0], ("buy", "view"), [1, 0])
    assert account.total() == 2
    assert read_with_account(path, weight=False, kind_weights={"view": 1, "buy": 5})[0].weight.tolist() == [1.0, 5.0]
    with pytest.raises(ParameterError, match="kind_weights needs"):
        read(path, kind=False, kind_weights={"view": 1})


def test_item_text_is_the_first_that_an_item_has(tmp_path, engine):
    path = write(tmp_path, "a.csv", "user,item,title\n1,a,\n1,b,B\n2,a,A\n3,a,A2\n4,c,\n")
    data = read(path, item_text="title")
    assert data.item_features["title"].tolist() == ["A", "B", ""]


def test_latin1(tmp_path, engine):
    path = write(tmp_path, "a.csv", "user,item\n1,café\n2,thé\n".encode("latin-1"))
    assert list(read(path, encoding="latin-1").items) == ["café", "thé"]
    with pytest.raises(DataError, match="latin-1"):
        read(path)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6),
            st.one_of(st.integers(-(10**17), 10**17), st.text("ab\",;:'|1", min_size=1, max_size=4)),
            st.floats(-1e6, 1e6, width=32),
            st.integers(0, 2**40),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_is_written_is_read_again(tmp_path, engine, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["user", "item", "weight", "time"])
    writer.writerows(rows)
    data, account = read_with_account(write(tmp_path, "h.csv", buffer.getvalue()), delimiter=",", missing=())
    users, items = [row[0] for row in rows], [str(row[1]) for row in rows]
    expected = Dataset.from_arrays(_typed(users), _typed(items), [row[2] for row in rows], [row[3] for row in rows])
    assert account.total() == 0
    assert data.fingerprint == expected.fingerprint


def _typed(texts):
    def whole(text):
        digits = text.removeprefix("-")
        return digits.isascii() and digits.isdecimal() and len(digits) <= 18 and (digits == "0" or digits[0] != "0")

    return [int(text) for text in texts] if all(whole(text) for text in texts) else texts


JSONL = [
    {"user": 1, "item": "a", "weight": 2.5, "time": "2020-01-01", "more": {"x": [1]}},
    {"user": 2, "item": "b\u00e9\"'", "weight": 1},
]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_json_lines(tmp_path, engine, pack):
    lines = [json.dumps(JSONL[0]), "", "{broken", "[1, 2]", json.dumps(JSONL[1]), json.dumps(JSONL[0])]
    path = write(tmp_path, "a.jsonl", pack("\n".join(lines).encode()))
    data, account = read_with_account(path, item_text="item")
    assert events(data) == [(1, "a", 2.5, 1577836800), (1, "a", 2.5, 1577836800)]
    assert reasons(account) == {"malformed row": 2, "no time for any event of this user": 1}
    assert account.entries[0].examples == ["a.jsonl, line 3: not a JSON object", "a.jsonl, line 4: not a JSON object"]


def table_of(rows):
    users, items, weights, times = zip(*rows, strict=True)
    return {"user": list(users), "item": list(items), "weight": list(weights), "time": list(times)}


ROWS = [(1, "a", 2.5, 10), (2, "b", 1.0, 11), (1, "b", 4.0, 12)]


def test_dictionaries_of_columns():
    assert events(read(table_of(ROWS))) == ROWS
    assert events(read({name: np.array(values) for name, values in table_of(ROWS).items()})) == ROWS
    masked = np.ma.masked_array([1, 2, 3], [False, True, False])
    assert list(read_with_account({"user": masked, "item": [1, 2, 3]})[0].users) == [1, 3]
    floats = {"user": np.array([1.0, np.nan, 3.0]), "item": [1.0, 2.0, float("nan")]}
    data, account = read_with_account(floats)
    assert events(data) == [(1, 1)]
    assert account.total() == 2


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"user": [1.5], "item": [1]}, "1.5"),
        ({"user": np.array([1.5]), "item": [1]}, "1.5 is not a whole number"),
        ({"user": [True], "item": [1]}, "bool"),
        ({"user": np.array([True]), "item": [1]}, "bool"),
        ({"user": [b"a"], "item": [1]}, "bytes"),
        ({"user": np.array(["2020-01-01"], "datetime64[D]"), "item": [1]}, "datetime64"),
        ({"user": [1, 2], "item": [1]}, "differ in length"),
        ({"user": np.ones((2, 2)), "item": [1, 2]}, "one-dimensional"),
        ({"user": [1], "thing": [1]}, "which column is the item"),
        ({"user": [], "item": []}, "no usable events"),
        ({"user": [None], "item": [1]}, "no usable events"),
        (7, "cannot read a int"),
    ],
)
def test_tables_that_cannot_be_used(table, words):
    with pytest.raises(DataError, match=words):
        read(table)


def test_odd_numbers_and_times_in_tables():
    utc = datetime.UTC
    times = [datetime.datetime(1970, 1, 1, 0, 1), datetime.datetime(1970, 1, 1, 2, tzinfo=utc), datetime.date(1970, 1, 2), "60", 1.5, None]
    data, account = read_with_account({"user": [1] * 6, "item": list(range(6)), "time": times, "weight": ["1", 2, None, "x", True, 3]})
    assert account.total() == 1  # "x" is no weight, True is 1
    assert data.time.tolist() == [60_000, 7_200_000, 86_400_000, 1500, 1500]
    assert (data.time_unit, data.weight.tolist()) == ("ms", [1.0, 2.0, 1.5, 1.0, 3.0])
    stamps = np.array(["1970-01-01T00:00:01.9", "NaT"], "datetime64[ms]")
    assert read({"user": [1, 1], "item": [1, 2], "time": stamps}).timestamp.tolist() == [1, 1]
    assert read({"user": [1], "item": [1], "time": np.array([1.9])}).timestamp.tolist() == [1]
    assert read({"user": [1], "item": [1], "time": np.array(["1970-01-01 00:01 UTC"])}).timestamp.tolist() == [60]
    for weights in (np.array([1 + 1j]), np.array([b"x"], object)):
        with pytest.raises(DataError, match="weight is not a number"):
            read({"user": [1], "item": [1], "weight": weights})
    with pytest.raises(DataError, match="time is not"):
        read({"user": [1], "item": [1], "time": np.array([True])})
    with pytest.raises(DataError, match="time is not"):
        read({"user": [1], "item": [1], "time": np.array([np.inf])})


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table_of(ROWS))
    assert events(read(frame)) == ROWS
    frame["item"] = frame["item"].astype("category")
    frame["user"] = frame["user"].astype("Int64")
    frame["time"] = pandas.to_datetime(frame["time"], unit="s", utc=True).dt.tz_convert("Asia/Tokyo")
    assert events(read(frame)) == ROWS
    frame.loc[1, "user"] = pandas.NA
    frame.loc[0, "weight"] = None
    data, account = read_with_account(frame)
    assert events(data) == [(1, "a", 4.0, 10), (1, "b", 4.0, 12)]
    assert reasons(account) == {"missing user id": 1, "missing weight, set to the median 4": 1}


def test_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(table_of(ROWS))
    assert events(read(frame)) == ROWS
    frame = frame.with_columns(polars.from_epoch("time", "s"), polars.col("item").cast(polars.Categorical))
    assert events(read(frame)) == ROWS
    gaps = polars.DataFrame({"user": [1, None, 3], "item": ["a", "b", None]})
    assert read_with_account(gaps)[1].total() == 2


def test_arrow():
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(table_of(ROWS))
    assert events(read(table)) == ROWS
    table = table.set_column(1, "item", table.column("item").dictionary_encode())
    table = table.set_column(3, "time", table.column("time").cast(pyarrow.timestamp("s", "Europe/Paris")))
    assert events(read(table)) == ROWS
    assert read_with_account(pyarrow.table({"user": [1, None], "item": ["a", "b"]}))[1].total() == 1


def test_databases(tmp_path):
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute("create table sales (customer, sku text, qty real, day text)")
    connection.executemany("insert into sales values (?, ?, ?, ?)", [(1, "a", 2, "1970-01-02"), ("x", "b", None, "1970-01-03")])
    connection.commit()
    query = "select customer as user, sku, qty, day from sales"
    for source in (path, connection):
        data = read(source, query=query, item="sku", weight="qty", time="day")
        assert events(data) == [(1, "a", 2.0, 86_400), ("x", "b", 2.0, 172_800)]
    for bad, words in [("select nothing", "query failed"), ("create table t (x)", "no columns|query failed")]:
        with pytest.raises(DataError, match=words):
            read(path, query=bad)
    with pytest.raises(DataError, match="no columns"):
        read(connection, query="create table other (x)")
    with pytest.raises(DataError, match="no usable events"):
        read(connection, query=query + " where qty > 100", item="sku")
    with pytest.raises(ParameterError, match="needs query"):
        read(path)
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.db", query=query)
    connection.close()


def parquet_file(path, columns):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet(tmp_path, engine):
    pyarrow = pytest.importorskip("pyarrow")
    path = parquet_file(tmp_path / "a.parquet", table_of(ROWS) | {"title": ["A", "B", None]})
    data = read(path, item_text=["title"])
    assert events(data) == ROWS
    assert data.item_features["title"].tolist() == ["A", "B"]
    stamp = pyarrow.array([datetime.datetime(1970, 1, 1, 0, 0, 10), None, datetime.datetime(1970, 1, 1, 0, 0, 12)])
    odd = {
        "user": pyarrow.array([1.0, 2.0, None]),
        "item": pyarrow.array(["a", "b", None]).dictionary_encode(),
        "time": stamp,
        "weight": pyarrow.array(["1", "x", "3"]),
        "kind": [0, 1, 0],
    }
    data, account = read_with_account(parquet_file(tmp_path / "odd.parquet", odd))
    assert events(data) == [(1, "a", 1.0, 10)]
    assert data.kinds == ("0",)
    assert account.total() == 2
    zoned = pyarrow.array([10, 11, 12], pyarrow.timestamp("us", "Asia/Tokyo"))
    assert read(parquet_file(tmp_path / "z.parquet", table_of(ROWS) | {"time": zoned})).timestamp.tolist() == [0, 0, 0]


@pytest.mark.parametrize("column", [[1.5], [True], [datetime.date(2020, 1, 1)], [[1, 2]]])
def test_parquet_ids_of_a_wrong_type(tmp_path, engine, column):
    path = parquet_file(tmp_path / "a.parquet", {"user": column, "item": [1]})
    with pytest.raises(DataError):
        read(path)


def test_a_parquet_file_damaged_in_the_middle(tmp_path, engine):
    path = parquet_file(tmp_path / "a.parquet", {"user": list(range(5000)), "item": [str(n) for n in range(5000)]})
    content = bytearray(path.read_bytes())
    content[4:20_000] = bytes(len(content[4:20_000]))
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet"):
        read(path)


def test_parquet_without_any_reader(tmp_path, monkeypatch):
    import sys

    from minirec.data.reading import parquet

    path = write(tmp_path, "a.parquet", b"PAR1")
    monkeypatch.setattr(parquet, "has_duckdb", lambda: False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[io\]"):
        read(path)


def test_npz(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, user=[1, 2], item=[5, 6], value=[7, 8], matrix=np.ones((2, 2)))
    assert events(read(path)) == [(1, 5, 7.0), (2, 6, 8.0)]
    assert read(path, time="value").timestamp.tolist() == [7, 8]
    np.savez(path, user=np.array([1, "a"], object), item=[1, 2])
    with pytest.raises(DataError, match="plain arrays"):
        read(path)
    np.savez(path, matrix=np.ones((2, 2)))
    with pytest.raises(DataError, match="no one-dimensional arrays"):
        read(path)


def test_adjacency_lists_and_sequences(tmp_path):
    path = write(tmp_path, "train.txt", "0 5 3\n1\n\n2 3\n")
    data, account = read_with_account(path, format="adjacency")
    assert events(data) == [(0, 5), (0, 3), (2, 3)]
    assert account.entries[0].examples == ["train.txt, line 2: user 1 without items"]
    data = read_with_account(path, format="sequences")[0]
    assert events(data) == [(0, 5, 0), (0, 3, 1), (2, 3, 0)]
    text = read(write(tmp_path, "t.txt", "u1 x y\nu2 y\n"), format="adjacency")
    assert events(text) == [("u1", "x"), ("u1", "y"), ("u2", "y")]


def test_movielens_files_and_folders(tmp_path, engine):
    old, million, latest = (tmp_path / name for name in ("ml-100k", "ml-1m", "ml-latest"))
    for folder in (old, million, latest):
        folder.mkdir()
    write(old, "u.data", "1\t10\t3\t100\n2\t11\t4\t101\n")
    write(old, "u.item", '10|Caf\xe9 (1995)|01-Jan-1995|\n11|B "x|02-Jan-1995|\n'.encode("latin-1"))
    write(million, "ratings.dat", "1::10::3::100\n2::11::4::101\n")
    write(million, "movies.dat", '10::Café (1995)::Drama\n11::B "x::Comedy\n'.encode())
    write(latest, "ratings.csv", "userId,movieId,rating,timestamp\n1,10,3,100\n2,11,4,101\n")
    write(latest, "movies.csv", 'movieId,title,genres\n10,"Café (1995)",Drama\n11,"B ""x",Comedy\n')
    for source in (old, old / "u.data", million, million / "ratings.dat", latest, latest / "ratings.csv"):
        data = read(source, format="movielens")
        assert events(data) == [(1, 10, 3.0, 100), (2, 11, 4.0, 101)]
        assert data.item_text(10) == "Café (1995)"
        assert data.item_features["title"].tolist()[1] == 'B "x'
    assert read(million, format="movielens", weight=False, time=False).weight is None
    with pytest.raises(DataError, match=r"no u\.data"):
        read(tmp_path, format="movielens")
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "x.dat", format="movielens")
    with pytest.raises(DataError, match="this is a folder"):
        read(tmp_path)


def test_items_from_a_second_table(tmp_path):
    base = {"user": [1, 2, 3], "item": [10, 11, 12]}
    path = write(tmp_path, "items.csv", "movie_id,title,year\n10,A,1990\n99,Z,1999\n11.0,B,1991\n10,A2,1992\n")
    data, account = read_with_account(base, items=path)
    assert data.item_features["title"].tolist() == ["A", "B", ""]
    assert account.notes[-1].endswith("2 of 3 items found, with title, year")
    table = {"sku": ["10", "12"], "price": [1.5, 2.5], "title": ["x", None]}
    data = read(base, items=table, items_id="sku", items_text=["price"])
    np.testing.assert_array_equal(data.item_features["price"], [1.5, np.nan, 2.5])
    strings = read({"user": [1, 2], "item": ["10", "a"]}, items={"id": [10, 11.0], "title": ["x", "y"]})
    assert strings.item_features["title"].tolist() == ["x", ""]
    np.savez(tmp_path / "items.npz", item=[12, 10], title=["c", "a"])
    assert read(base, items=tmp_path / "items.npz").item_features["title"].tolist() == ["a", "", "c"]
    write(tmp_path, "items.csv", "movie_id,title\n10,caf\xe9\n\n11\n".encode("latin-1"))
    data, account = read_with_account(base, items=path)
    assert data.item_features["title"].tolist() == ["café", "", ""]
    assert account.notes[2].endswith("read as Latin-1")
    assert "1 rows with another number of fields" in account.notes[3]
    for nothing in ("id,title\n", "id,title\n99,Z\n"):
        write(tmp_path, "items.csv", nothing)
        with pytest.raises(DataError, match="none is among the items"):
            read(base, items=path)
    write(tmp_path, "items.csv", 'id,title\n1,"' + "x" * 200_000 + '"\n')
    with pytest.raises(DataError, match="malformed"):
        read(base, items=path)
    with pytest.raises(DataError, match="a path or a table"):
        read(base, items=5)
    with pytest.raises(DataError, match="no column 'nope'"):
        read(base, items={"id": [1], "title": ["x"]}, items_text=["nope"])


def test_items_from_parquet(tmp_path, engine):
    path = parquet_file(tmp_path / "items.parquet", {"item": [10, 11], "title": ["a", None], "price": [1.0, 2.0]})
    data = read({"user": [1, 2], "item": [10, 11]}, items=path)
    assert data.item_features["title"].tolist() == ["a", ""]
    assert data.item_features["price"].tolist() == [1.0, 2.0]


def test_words_of_a_title_are_no_columns(tmp_path):
    path = write(tmp_path, "t.csv", "user,item,title\n" + "".join(f"{u},{u % 3},red wool scarf {u % 3}\n" for u in range(9)))
    assert read(path, item_text="title").item_text(1) == "red wool scarf 1"
