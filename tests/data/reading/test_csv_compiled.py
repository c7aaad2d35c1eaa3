"""The compiled reader of delimited text: it takes what is plain, gives what the others give, and leaves the rest to them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minirec
from minirec.data.account import Account
from minirec.data.reading import csv_compiled
from minirec.data.reading.assemble import assemble
from minirec.data.reading.csv_plain import read_csv_plain
from minirec.data.reading.duck import has_duckdb
from minirec.data.reading.duck_events import read_csv_duckdb
from minirec.data.reading.textfile import sniff

ROLES = {"user": 0, "item": 1, "weight": 2, "time": 3, "kind": 4}


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(csv_compiled, "SMALLEST", 0)
    monkeypatch.setattr(csv_compiled, "_BLOCK", 64)
    with minirec.options(backend="numba", threads=2):
        yield


def layout_of(tmp_path, content, **settings_):
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return sniff(path, **{"encoding": None, "delimiter": ",", "header": True, **settings_})


WHOLE = st.one_of(st.integers(-99, 99).map(str), st.sampled_from(["", "007", " 12", "3.0", "-0", "9" * 19]))
NAME = st.one_of(st.sampled_from(["a", "B b", " c ", "é", "", "z" * 30]), WHOLE)
WEIGHT = st.one_of(
    st.floats(-1e3, 1e3).map(lambda x: f"{x:.3f}"), st.sampled_from(["", "1", "-0", "1e3", "x", "nan", ".5", "0.1234567890123456789"])
)
TIME = st.one_of(st.integers(0, 2**33).map(str), st.sampled_from(["", "1.5", "-3", "1970-01-02", "soon"]))
FIELD = st.one_of(st.just("view"), st.just("buy"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(st.one_of(WHOLE, NAME), NAME, WEIGHT, TIME, FIELD), min_size=2, max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
def test_the_same_as_the_careful_readers(tmp_path, rows, end, last):
    lines = ["user,item,weight,time,kind", "1,1,1,1,view", *(",".join(row) for row in rows)]
    layout = layout_of(tmp_path, end.join(lines) + end * last)
    raw = csv_compiled.read_csv_compiled(layout, ROLES, {"kind": 4, "item": 1})
    if raw is None:
        assert any(row[2] in ("1e3", "x", "nan", ".5", "0.1234567890123456789") or not row[3].removeprefix("-").isdigit() for row in rows)
        return
    accounts = [Account(), Account()]
    careful = (read_csv_duckdb if has_duckdb() else read_csv_plain)(layout, ROLES, {"kind": 4, "item": 1}, accounts[1])
    found = [assemble(events, account) for events, account in zip((raw, careful), accounts, strict=True)]
    assert found[0].fingerprint == found[1].fingerprint
    assert accounts[0].to_dict() == accounts[1].to_dict()
    for name in ("kind", "item"):
        assert found[0].item_features[name].tolist() == found[1].item_features[name].tolist()


@pytest.mark.parametrize(
    "content",
    [
        "user,item\n1,2\n3,4\n",
        "\ufeffuser,item\n1,2\n3,4",
        "user,item\r\n1,2\r\n3,4\r\n\r\n",
        "user,item,title\n1,2,é\n3,4,ü\n",
        "user,item\n" + "1,2\n" * 40 + "u7,2\n",
    ],
)
def test_plain_files_are_taken(tmp_path, content):
    layout = layout_of(tmp_path, content)
    raw = csv_compiled.read_csv_compiled(layout, {"user": 0, "item": 1}, {})
    assert raw is not None
    data = assemble(raw, Account())
    assert data.fingerprint == assemble(read_csv_plain(layout, {"user": 0, "item": 1}, {}, Account()), Account()).fingerprint


@pytest.mark.parametrize(
    "content",
    [
        'user,item\n"1",2\n',
        "user,item\n1,2\n3\n",
        "user,item\n1,2,3\n",
        "user,item\n1,2\n\n3,4\n",
        "user,item\n1,a\rb\n",
        "user,item\n",
        b"user,item\n1,a\n" * 9 + b"1,\xe9\n",
    ],
)
def test_all_else_is_left_to_the_careful_readers(tmp_path, content):
    layout = layout_of(tmp_path, content) if isinstance(content, str) else layout_of(tmp_path, content, encoding="latin-1")
    if isinstance(content, bytes):  # sniffed in one encoding, read in another, as when the odd byte stands far behind
        layout = type(layout)(**{**vars(layout), "encoding": "utf-8"})
    assert csv_compiled.read_csv_compiled(layout, {"user": 0, "item": 1}, {}) is None


def test_one_column_as_a_number_and_as_a_text_is_left(tmp_path):
    layout = layout_of(tmp_path, "user,item,weight\n1,2,3\n")
    assert csv_compiled.read_csv_compiled(layout, {"user": 0, "item": 1, "weight": 2}, {"weight": 2}) is None


def test_small_files_and_numpy_are_left(tmp_path, monkeypatch):
    layout = layout_of(tmp_path, "user,item\n1,2\n")
    with minirec.options(backend="numpy"):
        assert csv_compiled.read_csv_compiled(layout, {"user": 0, "item": 1}, {}) is None
    monkeypatch.setattr(csv_compiled, "SMALLEST", 1000)
    assert csv_compiled.read_csv_compiled(layout, {"user": 0, "item": 1}, {}) is None
