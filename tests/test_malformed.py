"""Malformed input beyond files of events (tests/data/test_malformed.py): columns, requests, parameters, settings, model files, commands.

Each is an error of minirec that says what was wrong; on the command line it ends with code 2, one line and no traceback.
"""

import io
import warnings

import numpy as np
import pytest

import minirec as mr
from minirec.cli.main import main
from minirec.errors import (
    DataError,
    MinirecError,
    ModelFileError,
    NotFittedError,
    NotSupportedError,
    ParameterError,
    UnknownIdError,
)
from minirec.testing.sets import shop

make = mr.Dataset.from_arrays

COLUMNS = {
    "columns of different lengths": ([1, 2], [1], {}, "differ in length: 2 users, 1 items"),
    "weights of another length": ([1], [1], {"weights": [1, 2]}, "differ in length"),
    "times of another length": ([1], [1], {"times": [1, 2]}, "differ in length"),
    "kinds of another length": ([1], [1], {"kinds": ["a", "b"]}, "differ in length"),
    "a user that is None": ([None], [1], {}, "user id None is of type NoneType"),
    "a user that is True": ([True], [1], {}, "user id True is of type bool"),
    "a True among integers": ([1, True], [1, 1], {}, "user id True"),
    "an item that is a float": ([1], [1.5], {}, "item id 1.5 is of type float"),
    "a column of floats": (np.array([1.0]), [1], {}, "user ids are of type float64"),
    "a column of bools": (np.array([True]), [1], {}, "bool"),
    "an id that is bytes": ([b"x"], [1], {}, "of type bytes"),
    "an id beyond 64 bits": ([2**64], [1], {}, "does not fit into 64 bits"),
    "unsigned ids beyond 63 bits": (np.array([2**63 + 1], np.uint64), [1], {}, "does not fit into 64 bits"),
    "half of a surrogate pair": (["\ud800"], [1], {}, "half of a surrogate pair"),
    "two-dimensional ids": (np.ones((2, 2), int), [1, 2], {}, "one-dimensional"),
    "nan weight": ([1], [1], {"weights": [float("nan")]}, "weight nan at event 0"),
    "infinite weight": ([1, 1], [1, 2], {"weights": [1, float("inf")]}, "weight inf at event 1"),
    "a weight beyond float32": ([1], [1], {"weights": [1e300]}, "too large for float32"),
    "weights in words": ([1], [1], {"weights": ["many"]}, "weights must be numbers"),
    "nan time": ([1], [1], {"times": [float("nan")]}, "times must be finite"),
    "missing date": ([1], [1], {"times": np.array(["NaT"], "datetime64[s]")}, "1 times are missing"),
    "times in words": ([1], [1], {"times": ["noon"]}, "times must be whole numbers or datetimes"),
    "times of mixed kinds": ([1, 2], [1, 2], {"times": [1, None]}, "1 times are missing"),
    "128 kinds": ([1] * 128, [1] * 128, {"kinds": [str(n) for n in range(128)]}, "at most 127"),
    "a feature of another length": ([1], [1], {"item_features": {"name": np.array(["a", "b"])}}, "2 entries for 1 ids"),
    "users that are a number": (5, [1], {}, "user ids must be a column of ids, got 5"),
    "items that are text": ([1], "abc", {}, "item ids must be a column"),
    "items that are None": ([1], None, {}, "item ids must be a column"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns(case):
    users, items, more, message = COLUMNS[case]
    with pytest.raises(DataError, match=message):
        make(users, items, **more)


@pytest.fixture(scope="module")
def model():
    return mr.Popularity().fit(shop())


REQUESTS = {
    "an unknown user": (lambda m: m.recommend("nobody"), UnknownIdError, "unknown user 'nobody'"),
    "half a number as text": (lambda m: m.recommend("100.5"), UnknownIdError, "unknown user"),
    "a user that is None": (lambda m: m.recommend([None]), DataError, "NoneType"),
    "k of nought": (lambda m: m.recommend(k=0), ParameterError, "k must be a whole number of at least 1, got 0"),
    "k of a half": (lambda m: m.recommend(k=0.5), ParameterError, "k must be"),
    "users and history": (lambda m: m.recommend(100, history=[[500]]), ParameterError, "not both"),
    "a flat history": (lambda m: m.recommend(history=[500]), ParameterError, r"history=\[\[500\]\]"),
    "text for a history": (lambda m: m.recommend(history="500"), ParameterError, "history is a list"),
    "an unknown item in a history": (lambda m: m.recommend(history=[["x"]]), UnknownIdError, "unknown item 'x'"),
    "nan in the weights": (lambda m: m.recommend(history=[[500]], weights=[[float("nan")]]), ParameterError, "finite"),
    "ragged weights": (lambda m: m.recommend(history=[[500]], weights=[[1, 2]]), ParameterError, "the shape of history"),
    "an unknown candidate": (lambda m: m.recommend(candidates=["x"]), UnknownIdError, "unknown candidate 'x'"),
    "a number as candidates": (lambda m: m.recommend(candidates=500), ParameterError, "candidates must be a list"),
    "a mode that does not exist": (lambda m: m.recommend(unknown="warn"), ParameterError, "'raise', 'ignore'"),
    "pairs that are none": (lambda m: m.score([100], []), ParameterError, "1 users and 0 items"),
    "an explanation of nothing": (lambda m: m.explain(100), ParameterError, "explain takes an item"),
    "vectors of a model without": (lambda m: m.user_vectors(), NotSupportedError, "no user vectors"),
    "neighbours of a model without": (lambda m: m.similar_items(500), NotSupportedError, "no notion"),
    "a frame of another library": (lambda m: m.recommend().to_frame("excel"), ParameterError, "'pandas', 'polars' or 'arrow'"),
    "an unfitted model": (lambda m: m.clone().recommend(), NotFittedError, r"call fit\(train\)"),
    "fit on a list": (lambda m: m.clone().fit([1]), ParameterError, "train takes a Dataset"),
    "fit on nothing": (lambda m: m.clone().fit(make([], [])), DataError, "no events"),
    "a parameter that does not exist": (lambda m: m.clone(width=1), ParameterError, "no parameter width"),
    "a parameter out of range": (
        lambda m: m.clone(half_life=-1).fit(shop()),
        ParameterError,
        "half_life must be .* at least 1e-09",
    ),
    "a model that does not exist": (lambda m: mr.model_class("prophet"), ParameterError, "unknown model 'prophet'"),
    "a setting out of range": (lambda m: mr.options(threads=0).__enter__(), ParameterError, "MINIREC_THREADS"),
    "a split that does not exist": (lambda m: mr.split(shop(), "magic"), ParameterError, "magic"),
    "a test share above one": (lambda m: mr.split(shop(), "random", test=1.5), ParameterError, "test"),
    "a data set that does not exist": (lambda m: mr.load("netflix"), ParameterError, "netflix"),
    "evaluate on strangers": (lambda m: mr.evaluate({"m": m}, shop(), make(["x"], ["y"])), DataError, ""),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_requests(model, case):
    call, error, message = REQUESTS[case]
    with pytest.raises(error, match=message or None) as found:
        call(model)
    assert isinstance(found.value, MinirecError)


def _npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


FILES = {
    "empty": b"",
    "text": b"user,item\n1,2\n",
    "zeros": bytes(5000),
    "a cut archive": _npz(header=np.zeros(9, np.uint8))[:-30],
    "another archive": _npz(a=np.ones(2)),
    "a header of numbers": _npz(header=np.ones(2)),
    "a header that is no JSON": _npz(header=np.frombuffer(b"{", np.uint8)),
    "a pickle": b"\x80\x04K\x01.",
    "pickled objects": _npz(header=np.array([{}], object)),
}


@pytest.mark.parametrize("case", FILES)
def test_model_files(tmp_path, case):
    (tmp_path / "model.npz").write_bytes(FILES[case])
    with pytest.raises(ModelFileError, match=r"model\.npz"):
        mr.load_model(tmp_path / "model.npz")
    assert main(["recommend", str(tmp_path / "model.npz")]) == 2


COMMANDS = {
    "no command": ([], "required"),
    "a command that does not exist": (["guess"], "invalid choice"),
    "an option that does not exist": (["run", "--guess"], "unrecognized"),
    "a file that does not exist": (["fit", "none.csv", "--model", "popularity"], "none.csv"),
    "an empty file": (["fit", "empty.csv", "--model", "popularity"], "empty"),
    "a file of bytes": (["fit", "bytes.csv", "--model", "popularity"], "not"),
    "a folder": (["fit", ".", "--model", "popularity"], "folder"),
    "a column that does not exist": (["fit", "events.csv", "--model", "popularity", "--user", "customer"], "customer"),
    "an encoding that does not exist": (["fit", "events.csv", "--model", "popularity", "--encoding", "klingon"], "klingon"),
    "a model that does not exist": (["fit", "events.csv", "--model", "prophet"], "prophet"),
    "a parameter that does not exist": (["fit", "events.csv", "--model", "popularity", "--param", "width=3"], "width"),
    "a parameter without a value": (["fit", "events.csv", "--model", "popularity", "--param", "half_life"], "half_life"),
    "a parameter out of range": (["fit", "events.csv", "--model", "popularity", "--param", "half_life=-3"], "half_life"),
    "no threads": (["fit", "events.csv", "--model", "popularity", "--threads", "0"], "threads"),
    "a backend that does not exist": (["fit", "events.csv", "--model", "popularity", "--backend", "cuda"], "cuda"),
    "a budget in words": (["fit", "events.csv", "--model", "popularity", "--memory", "lots"], "memory"),
    "a model file that does not exist": (["recommend", "none.npz"], "none.npz"),
    "a model file that is none": (["recommend", "events.csv"], "events.csv"),
    "users that are unknown": (["recommend", "model.npz", "--users", "events.csv"], "unknown user"),
    "a history that is unknown": (["recommend", "model.npz", "--history", "nothing"], "unknown item"),
    "lists of nought": (["recommend", "model.npz", "-k", "0"], "k must be"),
    "data that is not known": (["data", "download", "netflix"], "netflix"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "bytes.csv").write_bytes(bytes(range(256)))
    (folder / "events.csv").write_text("user,item\n" + "".join(f"u{n % 7},i{n % 5}\n" for n in range(40)))
    mr.Popularity().fit(shop()).save(folder / "model.npz")
    return folder


@pytest.mark.parametrize("case", COMMANDS)
def test_commands(folder, case, monkeypatch, capsys):
    arguments, message = COMMANDS[case]
    monkeypatch.chdir(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code = main(arguments)
    out, err = capsys.readouterr()
    assert code == 2, err
    assert message in err
    assert "minirec: error: " in err
    assert "Traceback" not in out + err
    assert sorted(path.name for path in folder.iterdir()) == ["bytes.csv", "empty.csv", "events.csv", "model.npz"]
