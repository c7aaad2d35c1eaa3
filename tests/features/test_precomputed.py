"""Embeddings from elsewhere: every way in gives the same vectors; what does not fit is refused."""

import sys

import numpy as np
import pytest

from minirec.data import Dataset
from minirec.data.reading import parquet
from minirec.errors import DataError, DataWarning, MissingExtraError, ParameterError
from minirec.features.base import add_content, normalized, present
from minirec.features.cache import cached
from minirec.features.precomputed import Precomputed

IDS = ["b", "a", 7, "7", -1]
VECTORS = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


def test_ids_are_looked_up():
    table = Precomputed(IDS, VECTORS)
    np.testing.assert_array_equal(table.transform(["7", 7, "a", "7", np.int64(-1)]), VECTORS[[3, 2, 1, 3, 4]])
    assert present(table.transform(["a", None, "b"])).tolist() == [True, False, True]
    assert table.missing_ == 0
    assert table.dimension == 3
    with pytest.warns(DataWarning, match="2 of 4 ids have no vector, the first of them 'c'"):
        vectors = table.transform(["c", "a", 8, np.nan])
    assert present(vectors).tolist() == [False, True, False, False]
    assert table.missing_ == 2
    np.testing.assert_allclose(Precomputed(IDS, VECTORS, normalize=True).transform(["a"]), normalized(VECTORS[1:2]))
    np.testing.assert_array_equal(Precomputed.of(dict(zip(IDS, VECTORS.tolist(), strict=True))).transform(IDS), VECTORS)


def test_there_is_nothing_to_cache(tmp_path):
    with pytest.raises(ParameterError, match="nothing to keep"):
        cached(Precomputed(IDS, VECTORS), tmp_path)


def test_the_fingerprint_goes_by_ids_and_vectors():
    table = Precomputed(IDS, VECTORS)
    prints = {Precomputed(ids, vectors).fingerprint for ids in (IDS, IDS[::-1]) for vectors in (VECTORS, VECTORS * 2)}
    assert len(prints) == 4
    assert table.fingerprint in prints


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int8])
@pytest.mark.parametrize("form", ["list", "npy", "txt"])
def test_arrays_with_ids(tmp_path, kind, form):
    vectors = (VECTORS * 10).astype(kind)
    np.save(tmp_path / "v.npy", vectors)
    ids = [3, 1, 4, 15, 9]
    np.save(tmp_path / "ids.npy", ids)
    (tmp_path / "ids.txt").write_text("3\n1\n4\n15\n9\n")
    given = ids if form == "list" else tmp_path / f"ids.{form}"
    np.testing.assert_array_equal(Precomputed.read(tmp_path / "v.npy", given).transform(ids), vectors.astype(np.float32))


def test_lines_of_ids_that_are_texts(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS[:2])
    for lines in (["007", "8"], ["x", "8"]):
        (tmp_path / "ids.txt").write_text("\n".join(lines))
        np.testing.assert_array_equal(Precomputed.read(tmp_path / "v.npy", str(tmp_path / "ids.txt")).transform(lines), VECTORS[:2])


def test_npz(tmp_path):
    np.savez(tmp_path / "v.npz", id=np.array(["x", "y", "z", "u", "v"]), vector=VECTORS)
    np.testing.assert_array_equal(Precomputed.read(tmp_path / "v.npz").transform(["y", "v"]), VECTORS[[1, 4]])
    np.savez(tmp_path / "w.npz", asin=np.arange(5), text=VECTORS)
    table = Precomputed.read(tmp_path / "w.npz", id_column="asin", vector_column="text")
    np.testing.assert_array_equal(table.transform([3]), VECTORS[3:4])


@pytest.mark.parametrize("engine", ["duckdb", "pyarrow"])
@pytest.mark.parametrize("form", ["list", "fixed", "columns"])
def test_parquet(tmp_path, monkeypatch, engine, form):
    pytest.importorskip(engine)
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    monkeypatch.setattr(parquet, "has_duckdb", lambda: engine == "duckdb")
    if form == "columns":
        columns = {f"d{at}": VECTORS[:, at].astype(np.float64) for at in range(3)}
    else:
        kind = pyarrow.list_(pyarrow.float32(), *([3] if form == "fixed" else []))
        columns = {"vector": pyarrow.array(VECTORS.tolist(), kind)}
    files.write_table(pyarrow.table({"id": ["x", "y", "z", "u", "v"], **columns}), tmp_path / "v.parquet")
    np.testing.assert_array_equal(Precomputed.read(tmp_path / "v.parquet").transform(["z", "x"]), VECTORS[[2, 0]])


def test_parquet_files_that_do_not_fit(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    def written(**columns):
        files.write_table(pyarrow.table(columns), tmp_path / "v.parquet")
        return tmp_path / "v.parquet"

    for columns, message in (
        ({"item": [1], "vector": [[1.0]]}, "no column 'id', but"),
        ({"id": [1], "text": ["a"]}, "not every other column is of numbers"),
        ({"id": [1, 2], "vector": [[1.0], [1.0, 2.0]]}, "of one length"),
        ({"id": [1, 2], "vector": [[1.0], None]}, "missing entries"),
        ({"id": [1, None], "vector": [[1.0], [1.0]]}, "missing entries"),
        ({"id": [1, 2], "vector": [[1.0, float("nan")], [1.0, 2.0]]}, "id 1 is not finite"),
    ):
        with pytest.raises(DataError, match=message):
            Precomputed.read(written(**columns))
    (tmp_path / "v.parquet").write_text("nonsense")
    with pytest.raises(DataError, match="not a readable Parquet"):
        Precomputed.read(tmp_path / "v.parquet")


def test_parquet_is_an_extra(tmp_path, monkeypatch):
    (tmp_path / "v.parquet").write_text("nonsense")
    monkeypatch.setattr(parquet, "has_duckdb", lambda: False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[io\]"):
        Precomputed.read(tmp_path / "v.parquet")


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        ([1, 2], VECTORS[:3], "2 ids for 3 vectors"),
        ([1, 1, 2, 2, 3], VECTORS, "2 ids come more than once, the first of them 1"),
        ([1, 2], [[1.0, 2.0], [1.0]], "of one length"),
        ([1, 2], [1.0, 2.0], "of one length"),
        ([1, 2], [[1.0, 2.0], [1.0, np.nan]], "id 2 is not finite"),
        ([1, 2], np.array([[1.0], [np.inf]]), "id 2 is not finite"),
        ([1], [["a"]], "must be numbers"),
        ([1.5], [[1.0]], "ids are whole numbers or strings"),
    ],
)
def test_what_does_not_fit(ids, vectors, message):
    with pytest.raises(DataError, match=message):
        Precomputed(ids, vectors)


def test_things_that_do_not_fit():
    table = Precomputed(IDS, VECTORS)
    with pytest.raises(DataError, match="not fields"):
        table.transform({"title": ["a"]})
    with pytest.raises(DataError, match=r"thing 1: id 1\.5"):
        table.transform(["a", 1.5])
    with pytest.raises(DataError, match="too large for float32"):
        Precomputed([1], [[1e300]]).transform([1])


def test_files_that_do_not_fit(tmp_path):
    (tmp_path / "a.npy").write_text("nonsense")
    (tmp_path / "a.npz").write_text("nonsense")
    np.save(tmp_path / "pickled.npy", np.array([None]), allow_pickle=True)
    np.savez(tmp_path / "b.npz", id=[1])
    np.save(tmp_path / "v.npy", VECTORS)
    (tmp_path / "ids.txt").write_bytes(b"\xff\xfe\xff")
    for path, ids, message in (
        ("a.npy", [1], "not a readable NumPy file"),
        ("pickled.npy", [1], "not a readable NumPy file"),
        ("a.npz", None, "not a readable NumPy file"),
        ("none.npy", [1], "not a readable NumPy file"),
        ("b.npz", None, "no array 'vector'"),
        ("b.npz", [1], "ids= goes with .npy"),
        ("v.npy", None, "ids= is needed"),
        ("v.npy", tmp_path / "ids.txt", "not a readable file of ids"),
        ("v.npy", tmp_path / "none.txt", "not a readable file of ids"),
        ("v.csv", None, "are read from"),
    ):
        with pytest.raises(DataError, match=message):
            Precomputed.read(tmp_path / path, ids)


def test_content_of_a_data_set_by_its_ids():
    data = Dataset.from_arrays([1, 1, 2], ["x", "y", "z"])
    with pytest.warns(DataWarning, match="1 of 3 ids have no vector"):
        vectors = add_content(data, Precomputed(["z", "x"], [[1, 2], [3, 4]]), None, name="image").item_features["image"]
    assert vectors.tolist() == [[3, 4], [0, 0], [1, 2]]
    with pytest.warns(DataWarning), pytest.raises(DataError, match="has content in its id"):
        add_content(data, Precomputed([1], [[1]]), None)
