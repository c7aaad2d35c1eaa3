"""The reader and writer of safetensors: round trips, and files that are damaged."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirec.errors import DataError, ParameterError
from minirec.features.safetensors import SafeTensors, write_safetensors

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "half": np.array([0.5, -2], np.float16),
    "small": np.array([[-128, 127, 0]], np.int8),
    "empty": np.zeros((0, 4), np.float32),
    "one": np.array(7, np.int64),
    "odd": np.array([True]),
}


def raw(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.safetensors"


def test_what_is_written_reads_back(path):
    write_safetensors(path, ARRAYS, {"format": "np"})
    file = SafeTensors(path)
    assert file.names() == sorted(ARRAYS)
    assert file.metadata == {"format": "np"}
    assert "a" in file
    assert "b" not in file
    for name, array in ARRAYS.items():
        for found in (file.read(name), file.mapped(name)):
            assert found.dtype == array.dtype
            assert np.array_equal(found, array)
        assert file.shape(name) == array.shape
    assert not file.mapped("a").flags.writeable
    first = path.read_bytes()
    write_safetensors(path, ARRAYS, {"format": "np"})
    assert path.read_bytes() == first
    assert int.from_bytes(first[:8], "little") % 8 == 0


def test_bfloat16_is_widened(path):
    values = np.array([1.0, -3.140625, 1e30], np.float32)
    bits = (values.view(np.uint32) >> 16).astype("<u2")
    path.write_bytes(raw({"x": entry("BF16", (3,), (0, 6))}, bits.tobytes()))
    file = SafeTensors(path)
    assert file.dtype("x") == "BF16"
    for found in (file.read("x"), file.mapped("x")):
        assert found.dtype == np.float32
        assert np.allclose(found, values, rtol=2**-7)


DAMAGED = {
    "an empty file": b"",
    "no header": b"\0" * 8,
    "a header longer than the file": raw({}, length=10**9),
    "a header of nonsense": raw(b"{nonsense"),
    "a header that is no text": raw(b'{"a": "\xff"}'),
    "a list": raw(b"[1, 2]"),
    "deep nesting": raw(b"[" * 100_000),
    "an unknown type": raw({"x": entry("F7")}, b"\0" * 4),
    "a type that is a list": raw({"x": entry([1])}, b"\0" * 4),
    "a negative shape": raw({"x": entry(shape=(-1,))}, b"\0" * 4),
    "a shape that is a text": raw({"x": {"dtype": "F32", "shape": "1", "data_offsets": [0, 4]}}, b"\0" * 4),
    "a shape that overflows": raw({"x": entry(shape=(2**62, 4))}, b"\0" * 4),
    "offsets that do not fit": raw({"x": entry(offsets=(0, 8))}, b"\0" * 8),
    "offsets that are three": raw({"x": entry(offsets=(0, 4, 8))}, b"\0" * 8),
    "a hole": raw({"x": entry(offsets=(4, 8))}, b"\0" * 8),
    "an overlap": raw({"x": entry(), "y": entry()}, b"\0" * 4),
    "data that are missing": raw({"x": entry()}),
    "data beyond": raw({"x": entry()}, b"\0" * 5),
    "a name twice": raw(b'{"x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "x": {}}'),
    "an entry that is a number": raw({"x": 1}),
    "metadata that is a list": raw({"__metadata__": [1]}),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_files(path, what):
    path.write_bytes(DAMAGED[what])
    with pytest.raises(DataError, match=r"x.safetensors: not a safetensors file, or a damaged one"):
        SafeTensors(path)


def test_other_refusals(path, tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        SafeTensors(tmp_path / "none")
    write_safetensors(path, ARRAYS)
    file = SafeTensors(path)
    with pytest.raises(DataError, match="no array 'b'"):
        file.read("b")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="became shorter"):
        file.read("small")
    with pytest.raises(ParameterError, match="complex64"):
        write_safetensors(path, {"z": np.zeros(1, np.complex64)})


@given(at=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_byte_changed_anywhere_is_read_or_refused(at, value, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / "x"
    write_safetensors(path, ARRAYS)
    changed = bytearray(path.read_bytes())
    changed[at % len(changed)] = value
    path.write_bytes(changed)
    try:
        file = SafeTensors(path)
    except DataError:
        return
    for name in file.names():
        assert file.read(name).shape == file.mapped(name).shape
