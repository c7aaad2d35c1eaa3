"""Model files: damaged and foreign ones raise ModelFileError, and nothing in them is executed or believed."""

import contextlib
import io
import json
import os
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_models import Together, Turned

from minirec.errors import DataError, ModelFileError, NotFittedError, NotSupportedError, ParameterError
from minirec.models import MODELS, load_model
from minirec.testing import SUBJECTS
from minirec.testing.sets import relabelled, shop, with_content


@pytest.fixture(scope="module", autouse=True)
def _registered():
    with pytest.MonkeyPatch.context() as patch:
        for cls in (Together, Turned):
            patch.setitem(MODELS, cls.name, cls)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Model files as bytes: stand-ins of several forms, and every registered model."""
    folder = tmp_path_factory.mktemp("models")
    models = {"dense": Together(), "sparse": Together(sparse=True), "factors": Turned()}
    out = {}
    for name, model in (models | {name: subject.make() for name, subject in SUBJECTS.items()}).items():
        model.fit(relabelled(with_content(shop()), "mixed")).save(folder / name)
        out[name] = (folder / name).read_bytes()
    return out


def load(content, folder):
    path = folder / "model.npz"
    path.write_bytes(content)
    return load_model(path)


def refused(content, folder, message=r"model\.npz"):
    with pytest.raises(ModelFileError, match=message) as found:
        load(content, folder)
    assert "model.npz" in str(found.value)


def members(content):
    """The arrays of a file, the header as a dictionary."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    return json.loads(arrays.pop("header").tobytes()), arrays


def pack(header, arrays, **settings_):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    out = io.BytesIO()
    np.savez(out, header=np.frombuffer(text, np.uint8), **arrays)
    return out.getvalue()


def test_packing_again_gives_the_same_file(files, tmp_path):
    for content in files.values():
        header, arrays = members(content)
        again = load(pack(header, arrays), tmp_path).get_params()
        assert again == load(content, tmp_path).get_params()
        assert json.loads(json.dumps(again)) == header["params"]


KINDS = st.sampled_from(["dense", "sparse", "factors", "popularity"])


@settings(max_examples=150, deadline=None)
@given(kind=KINDS, data=st.data())
def test_flipped_bits(files, tmp_path_factory, kind, data):
    """A damaged file is refused, or (where the damage is in a part that says nothing) gives the same model."""
    content = bytearray(files[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    same_or_refused(files[kind], content, tmp_path_factory)


@settings(max_examples=60, deadline=None)
@given(kind=KINDS, share=st.floats(0, 1, exclude_max=True), tail=st.binary(max_size=40))
def test_truncated_and_overwritten(files, tmp_path_factory, kind, share, tail):
    same_or_refused(files[kind], files[kind][: int(share * len(files[kind]))] + tail, tmp_path_factory)


@settings(max_examples=60, deadline=None)
@given(kind=KINDS, data=st.data())
def test_scrambled_blocks(files, tmp_path_factory, kind, data):
    content = files[kind]
    a, b, c = sorted(data.draw(st.integers(0, len(content))) for _ in range(3))
    same_or_refused(content, content[:a] + content[b:c] + content[a:b] + content[c:], tmp_path_factory)


def same_or_refused(original, damaged, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    expected = load(original, folder).recommend(k=5)
    try:
        found = load(bytes(damaged), folder).recommend(k=5)
    except ModelFileError:
        return
    assert found.to_dict() == expected.to_dict()


CHANGES = {
    "empty": lambda array: array[:0],
    "shorter": lambda array: array[:-1],
    "longer": lambda array: np.concatenate([array, array[-1:]]),
    "flat": lambda array: array.ravel(),
    "deep": lambda array: array[None],
    "reversed": lambda array: array[::-1],
    "text": lambda array: np.array(["x"]),
    "scalar": lambda array: np.array(3, array.dtype),
    **{f"as {code}": lambda array, code=code: array.astype(code) for code in ("f8", "f2", ">f4", "i4", "i8", "u1", "c16", "?", "U3")},
    **{f"with {value}": lambda array, value=value: with_value(array, value) for value in (-1, 2**30, 2**62, np.nan, np.inf)},
}


@pytest.mark.parametrize("kind", ["dense", "sparse", "factors", *SUBJECTS])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.filterwarnings("ignore")  # of the casts and sums that this test makes of nonsense
def test_arrays_that_do_not_fit_together(files, tmp_path, kind, change):
    """A file with right checksums and wrong contents: refused, or a model that answers without a crash."""
    header, arrays = members(files[kind])
    for name in arrays if kind == "dense" else [name for name in arrays if name.startswith("state.")]:
        try:
            model = load(pack(header, arrays | {name: CHANGES[change](arrays[name])}), tmp_path)
        except ModelFileError:
            continue
        with contextlib.suppress(DataError):  # numbers that only a request multiplies
            if len(model.users_):
                model.recommend(k=3, exclude_seen=False)
            model.recommend(history=[[model.items_[0]], [model.items_[3]]], k=30)


@pytest.mark.parametrize("kind", ["dense", "sparse", "factors", "popularity"])
def test_arrays_that_are_missing(files, tmp_path, kind):
    header, arrays = members(files[kind])
    for name in arrays:
        refused(pack(header, {other: array for other, array in arrays.items() if other != name}), tmp_path)


def with_value(array, value):
    out = array.copy()
    if out.size:
        with np.errstate(invalid="ignore"):
            out.flat[len(out.flat) // 2] = np.asarray(value).astype(out.dtype)
    return out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "foreign"),
        ({"format": None}, "foreign"),
        ({"format_version": 2}, "format version 2; this minirec reads 1"),
        ({"format_version": "1"}, "format version '1'"),
        ({"class": "os.system"}, "unknown class 'os.system'"),
        ({"class": "Together"}, "unknown class"),
        ({"class": None}, "unknown class None"),
        ({"class": ["together"]}, "unknown class"),
        ({"class": "turned"}, "damaged or foreign"),
        ({"params": {}}, None),
        ({"params": {"momentum": 3}}, "damaged or foreign"),
        ({"params": [1]}, "damaged or foreign"),
        ({"params": {"shrinkage": "much"}}, "damaged or foreign"),
        ({"params": {"shrinkage": float("nan")}}, "damaged or foreign"),
        ({"numbers": None}, "damaged or foreign"),
        ({"numbers": {"weights_": "x"}}, "damaged or foreign"),
        ({"numbers": {"weights_": 1.0}}, "damaged or foreign"),
        ({"numbers": {"weights_": float("inf")}}, "damaged or foreign"),
        ({"history": 5}, "damaged or foreign"),
        ({"provenance": 5}, "damaged or foreign"),
    ],
)
def test_headers(files, tmp_path, change, message):
    header, arrays = members(files["dense"])
    content = pack(header | change, arrays)
    if message is None:
        assert load(content, tmp_path).get_params() == Together().get_params()
    else:
        refused(content, tmp_path, message)


@pytest.mark.parametrize("key", ["format", "format_version", "class", "params", "numbers", "history", "provenance"])
def test_headers_with_something_missing(files, tmp_path, key):
    header, arrays = members(files["dense"])
    del header[key]
    refused(pack(header, arrays), tmp_path)


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b"{", b"\xff\xfe", b"null", b"[" * 100_000, b'{"format": "minirec model"}'])
def test_headers_that_are_none(files, tmp_path, text):
    refused(pack(text, members(files["dense"])[1]), tmp_path)


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def test_nothing_is_executed(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bomb = np.array([Bomb()], object)
    header, arrays = members(files["dense"])
    for content in (
        pack(header, arrays | {"state.weights_": bomb}),
        pack(header, arrays | {"extra": bomb}),
        _npz({"header": bomb}),
        pickle.dumps(Bomb()),
        _npy(bomb),
    ):
        refused(content, tmp_path)
    with zipfile.ZipFile(tmp_path / "model.npz", "w") as archive:
        archive.writestr("header.npy", pickle.dumps(Bomb()))
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "model.npz")
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickle.dumps(Bomb()))  # the bomb works
    assert (tmp_path / "executed").exists()


def _npz(arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _npy(array):
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def test_foreign_files(tmp_path):
    compressed = io.BytesIO()
    np.savez_compressed(compressed, header=np.zeros(1000, np.uint8))
    empty_archive = io.BytesIO()
    zipfile.ZipFile(empty_archive, "w").close()
    for content in (
        b"",
        b"PK",
        b"PK\x03\x04" + bytes(100),
        b"user,item\n1,2\n",
        bytes(1000),
        _npy(np.ones(3)),
        _npz({"a": np.ones(3)}),
        _npz({"header": np.ones(3)}),
        _npz({"header": np.array("text")}),
        compressed.getvalue(),
        empty_archive.getvalue(),
    ):
        refused(content, tmp_path)


def test_paths_that_are_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "nothing.npz", tmp_path / "nothing" / "here.npz"):
        with pytest.raises(ModelFileError, match="there is no model file"):
            load_model(path)


def test_a_header_that_promises_terabytes(files, tmp_path):
    """The shape in an array's header is held against the size of the file before memory is taken."""
    lie = io.BytesIO()
    np.lib.format.write_array_header_1_0(lie, {"descr": "<f4", "fortran_order": False, "shape": (10**10, 24)})
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files["dense"])) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(name, lie.getvalue() + bytes(96) if name == "state.weights_.npy" else source.read(name))
    tracemalloc.start()
    try:
        refused(out.getvalue(), tmp_path, "damaged or foreign")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_an_array_of_another_version_of_the_format(files, tmp_path):
    later = io.BytesIO()
    np.lib.format.write_array(later, np.zeros((24, 24), np.float32), version=(2, 0))
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(files["dense"])) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(name, later.getvalue() if name == "state.weights_.npy" else source.read(name))
    refused(out.getvalue(), tmp_path, "not a plain array")


def test_ids_that_are_no_text(files, tmp_path):
    header, arrays = members(files["dense"])
    text, offsets = arrays["items.text"].copy(), arrays["items.offsets"]
    text[offsets[1] - 1] = 0xFF
    refused(pack(header, arrays | {"items.text": text}), tmp_path, "utf-8")
    moved = offsets.copy()
    moved[1] -= 1  # the ids end in a letter of two bytes
    refused(pack(header, arrays | {"items.offsets": moved}), tmp_path, "begins inside a character")


def test_a_zip_bomb(files, tmp_path):
    header, arrays = members(files["dense"])
    out = io.BytesIO()
    np.savez_compressed(out, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays, more=np.zeros(2**24, np.uint8))
    tracemalloc.start()
    try:
        refused(out.getvalue(), tmp_path, "compressed")
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_users_that_are_left_out(tmp_path):
    model = Turned().fit(shop())
    model.save(tmp_path / "items", items_only=True)
    loaded = load_model(tmp_path / "items")
    assert len(loaded.users_) == 0
    assert loaded.user_factors_.shape == (0, 3)
    with pytest.raises(NotSupportedError, match="user_vectors needs the users"):
        loaded.user_vectors()
    with pytest.raises(NotSupportedError, match="recommending"):
        loaded.recommend([100])

    class OfUsers(Turned):
        _needs_users = True

    with pytest.raises(NotSupportedError, match="cannot be saved with items_only"):
        OfUsers().fit(shop()).save(tmp_path / "refused", items_only=True)
    assert not (tmp_path / "refused").exists()


def test_saving(tmp_path):
    with pytest.raises(NotFittedError):
        Together().save(tmp_path / "model")
    model = Together().fit(shop())
    (tmp_path / "model").write_bytes(b"old")
    model.save(str(tmp_path / "model"))  # text will do, and an old file is replaced
    assert Together.load(tmp_path / "model").recommend(100).to_dict() == model.recommend(100).to_dict()
    with pytest.raises(ParameterError, match="holds a Together, not a Turned"):
        Turned.load(tmp_path / "model")
    model.log_ = [{"loss": float("nan")}]  # a save that fails leaves the old file
    before = (tmp_path / "model").read_bytes()
    with pytest.raises(Exception, match="not JSON compliant"):
        model.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
