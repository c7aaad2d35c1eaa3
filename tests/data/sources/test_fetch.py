"""Downloads against a file server on the loopback."""

import functools
import hashlib
import http.server
import io
import logging
import stat
import sys
import threading
import zipfile
from dataclasses import replace

import pytest

import minirec
from minirec.data.sources import built_in as builtin
from minirec.data.sources import downloads as fetch
from minirec.errors import DataError, MissingExtraError, ParameterError


def archive(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return packed.getvalue()


RATINGS = b"1\t10\t3\t881250949\n2\t11\t4\t881250950\n"
GOOD = archive({"ml-100k/u.data": RATINGS, "ml-100k/u.item": "10|Café (1995)|\n11|B|\n".encode("latin-1")})


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder and the address that serves it; the checksum of ml-100k is that of GOOD."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "ml-100k.zip").write_bytes(GOOD)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    checked = replace(fetch.ARCHIVES["ml-100k"], md5=hashlib.md5(GOOD).hexdigest())
    monkeypatch.setitem(fetch.ARCHIVES, "ml-100k", checked)
    yield folder, f"http://127.0.0.1:{served.server_port}/"
    served.shutdown()
    thread.join()
    served.server_close()


def test_fetch_check_unpack_and_load(server, tmp_path, caplog):
    pytest.importorskip("pooch")
    shown = []
    with caplog.at_level(logging.INFO, "minirec"):
        folder = fetch.download("ml-100k", tmp_path / "data", base_url=server[1], on_licence=shown.append)
    assert (folder / "u.data").read_bytes() == RATINGS
    assert "not to be passed on" in shown[0]
    assert shown[0] in caplog.text
    (server[0] / "ml-100k.zip").unlink()
    assert fetch.download("ml-100k", tmp_path / "data", base_url=server[1]) == folder  # not fetched twice
    with minirec.options(data=tmp_path / "data"):
        data = builtin.load("ml-100k")
    assert (data.name, data.item_text(10), len(data)) == ("ml-100k", "Café (1995)", 2)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["ml-100k"]


def test_load_says_how_to_fetch(tmp_path):
    with minirec.options(data=tmp_path), pytest.raises(DataError, match="minirec data download ml-1m"):
        builtin.load("ml-1m")
    with minirec.options(cache=tmp_path), pytest.raises(DataError, match="has not been downloaded"):
        builtin.load("ml-20m")


def test_a_refused_licence_stops_before_anything_is_fetched(tmp_path):
    def refuse(terms):
        raise PermissionError

    with pytest.raises(PermissionError):
        fetch.download("ml-1m", tmp_path, base_url="http://127.0.0.1:9/", on_licence=refuse)
    assert not list(tmp_path.iterdir())


def test_a_changing_archive_is_checked_against_the_published_sum(server, tmp_path):
    pytest.importorskip("pooch")
    folder, url = server
    packed = archive({"ml-latest-small/ratings.csv": "userId,movieId,rating,timestamp\n1,2,3,4\n"})
    (folder / "ml-latest-small.zip").write_bytes(packed)
    (folder / "ml-latest-small.zip.md5").write_text(f"MD5 (ml-latest-small.zip) = {hashlib.md5(packed).hexdigest()}\n")
    assert (fetch.download("ml-latest-small", tmp_path / "d", base_url=url) / "ratings.csv").is_file()
    (folder / "ml-latest-small.zip.md5").write_text("0" * 32)
    with pytest.raises(DataError, match="hash"):
        fetch.download("ml-latest-small", tmp_path / "e", base_url=url)
    (folder / "ml-latest-small.zip.md5").write_text("<html>")
    with pytest.raises(DataError, match="no MD5 checksum"):
        fetch.download("ml-latest-small", tmp_path / "e", base_url=url)


def test_what_can_go_wrong_on_the_way(server, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    folder, url = server
    with pytest.raises(DataError, match=r"download failed.*404"):
        fetch.download("ml-1m", tmp_path / "d", base_url=url)
    (folder / "ml-100k.zip").write_bytes(GOOD[:-10])
    with pytest.raises(DataError, match="hash"):
        fetch.download("ml-100k", tmp_path / "d", base_url=url)
    other = archive({"elsewhere/u.data": RATINGS})
    (folder / "ml-100k.zip").write_bytes(other)
    checked = replace(fetch.ARCHIVES["ml-100k"], md5=hashlib.md5(other).hexdigest())
    monkeypatch.setitem(fetch.ARCHIVES, "ml-100k", checked)
    with pytest.raises(DataError, match=r"holds no ml-100k/u\.data"):
        fetch.download("ml-100k", tmp_path / "d", base_url=url)
    assert not list((tmp_path / "d").iterdir())


def test_names_and_extra(tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match="ml-100k, ml-1m"):
        fetch.download("ml-2b")
    assert "same terms" in fetch.licence("ml-25m")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"minirec\[download\]"):
        fetch.download("ml-1m", tmp_path)


def test_published_checksums_are_well_formed():
    for name, entry in fetch.ARCHIVES.items():
        assert entry.md5 is None or (len(entry.md5) == 32 and set(entry.md5) <= set("0123456789abcdef"))
        assert name in builtin.datasets()


@pytest.mark.parametrize("member", ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "..\\evil"])
def test_members_that_lead_out_are_refused(tmp_path, member):
    packed = tmp_path / "a.zip"
    packed.write_bytes(archive({"fine": "x", member: "y"}))
    with pytest.raises(DataError, match="unsafe member"):
        fetch.unzip(packed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_bombs_and_rubbish_are_refused(tmp_path, monkeypatch):
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as file:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="unsafe member 'link'"):
        fetch.unzip(packed, tmp_path / "out")
    packed.write_bytes(archive({"a": "x" * 100}))
    monkeypatch.setattr(fetch, "_MAX_UNPACKED", 50)
    with pytest.raises(DataError, match="unpacks to more"):
        fetch.unzip(packed, tmp_path / "out")
    packed.write_bytes(b"PK\x03\x04rubbish")
    with pytest.raises(DataError, match="not a usable zip"):
        fetch.unzip(packed, tmp_path / "out")
