"""Atomic writing, folders for one writer, and the one reader of archives."""

import io
import os
import stat
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest

from minirec.errors import DataError, ModelFileError, ParameterError
from minirec.files import atomic_path, damage_told, expanded, folder_lock, read_archive, read_arrays, write_archive, write_arrays


def put(path, text):
    with atomic_path(path) as draft:
        draft.write_text(text, encoding="utf-8")


def test_an_error_leaves_the_old_file_and_no_draft(tmp_path):
    put(tmp_path / "a", "old")

    def stopped():
        with atomic_path(tmp_path / "a") as draft:
            draft.write_text("new", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text(encoding="utf-8") == "old"


def test_a_link_is_followed_and_the_mode_is_kept(tmp_path):
    (tmp_path / "there").mkdir()
    real, link, dangling = tmp_path / "there" / "real", tmp_path / "link", tmp_path / "dangling"
    put(real, "old")
    real.chmod(0o640)
    link.symlink_to(real)
    dangling.symlink_to(tmp_path / "there" / "new")
    put(link, "new")
    put(dangling, "fresh")
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert (real.read_text(encoding="utf-8"), stat.S_IMODE(real.stat().st_mode)) == ("new", 0o640)
    assert (tmp_path / "there" / "new").read_text(encoding="utf-8") == "fresh"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_what_is_no_regular_file_is_written_through(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    put(pipe, "through")
    reader.join(20)
    assert read == ["through"]
    assert pipe.is_fifo()
    put("/dev/null", "nothing")
    assert not os.path.isfile("/dev/null")
    code = """
from minirec.files import atomic_path
print("first")
with atomic_path("/dev/stdout") as draft:
    draft.write_text("second")
print("\\nthird")
"""
    with open(tmp_path / "out", "w", encoding="utf-8") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text(encoding="utf-8").split() == ["first", "second", "third"]


def test_names_are_counted_in_bytes_and_the_home_folder_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    put(f"~/{'推' * 83}", "long")
    assert (tmp_path / ("推" * 83)).read_text(encoding="utf-8") == "long"
    for wrong in ("a\0b", tmp_path):
        with pytest.raises(ParameterError):
            put(wrong, "")


def test_no_home(monkeypatch):
    def nowhere(self):
        raise RuntimeError("no home")

    monkeypatch.setattr("pathlib.Path.expanduser", nowhere)
    with pytest.raises(ParameterError, match="HOME"):
        expanded("~/a")


def test_drafts_of_killed_processes_go_and_those_of_living_ones_stay(tmp_path):
    pytest.importorskip("fcntl")
    code = f"""
import os, signal
from minirec.files import atomic_path
with atomic_path({str(tmp_path / "a")!r}) as draft:
    draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    with atomic_path(tmp_path / "a") as living:
        living.write_text("slow", encoding="utf-8")
        put(tmp_path / "a", "fast")
        assert {path.name for path in tmp_path.iterdir()} == {"a", living.name}
    assert (tmp_path / "a").read_text(encoding="utf-8") == "slow"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_has_one_writer(tmp_path):
    pytest.importorskip("fcntl")
    with folder_lock(tmp_path / "out") as place:
        with pytest.raises(ParameterError, match="another run writes to"), folder_lock(tmp_path / "out"):
            pass
        assert list(place.iterdir()) == []
    with folder_lock(tmp_path / "out"):
        pass


def zipped(arrays, method=zipfile.ZIP_STORED):
    """An .npz whose members are packed with a method."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, version=(1, 0))
    return out.getvalue()


def test_archives_come_back(tmp_path):
    arrays = {
        "a": np.arange(6).reshape(2, 3), "b": np.asfortranarray(np.ones((2, 3), np.float32)), "none": np.zeros((0, 4)),
        "texts": np.array(["x", "yz"]), "times": np.array(["2020-01-01"], "M8[s]"), "one": np.array(3),
    }  # fmt: skip
    write_arrays(tmp_path / "a.npz", arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)
    write_archive(tmp_path / "b", "thing", 1, {"class": "x", "n": 3}, {"a": arrays["a"]})
    assert read_archive(tmp_path / "b", "thing", 1, ["x"])[0]["n"] == 3


def test_only_stored_members_are_unpacked(tmp_path):
    path, zeros = tmp_path / "a.npz", {"a": np.zeros(10_000_000)}
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED):
        path.write_bytes(zipped(zeros, method))
        with pytest.raises(ModelFileError, match="compressed"), damage_told(path, "thing"):
            read_arrays(path)
        if method == zipfile.ZIP_DEFLATED:
            assert not read_arrays(path, compressed=True)["a"].any()
        else:
            with pytest.raises(DataError, match="compressed"), damage_told(path, "thing", DataError):
                read_arrays(path, compressed=True)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
        "__import__('os')",
        "((((((",
    ],
)
def test_headers_are_read_not_evaluated(tmp_path, header):
    text = header.encode() + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0\0\0\0")
    (tmp_path / "a.npz").write_bytes(out.getvalue())
    with pytest.raises(ModelFileError, match=r"a\.npz"), damage_told(tmp_path / "a.npz", "thing"):
        read_arrays(tmp_path / "a.npz")
