"""The files of the page: no build, nothing fetched from elsewhere."""

from __future__ import annotations

from importlib.resources import files

_KINDS = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}


def _read(name: str) -> tuple[str, bytes]:
    return _KINDS[name.rsplit(".", 1)[1]], (files("minirec.live") / "static" / name).read_bytes()


FILES = {
    "/": _read("index.html"),
    "/docs": _read("docs.html"),
    "/static/page.css": _read("page.css"),
    "/static/page.js": _read("page.js"),
    "/static/docs.js": _read("docs.js"),
}
