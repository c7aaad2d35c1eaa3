"""The folder of an audit: audit.html, audit.json, plan.toml, manifest.json and, with a key, its signature."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..audit.hashing import of_bytes, write_all
from ..audit.record import to_json
from .audit import render_audit

if TYPE_CHECKING:
    from ..audit.run import Audit


def write_audit(done: Audit, folder: str | Path, *, language: str = "en", key: str | Path | None = None) -> Path:
    """Write an audit to a folder; returns it. The same audit gives the same bytes (the signature, too: ed25519 has no random part).

    language : of the page, "en" or "zh". key : a private ed25519 key in PEM, for a detached signature of manifest.json.
    """
    record = to_json(done.record)
    page = render_audit(done.record, language, of_bytes(record))
    contents = {"audit.json": record, "audit.html": page.encode(), "plan.toml": done.plan_text.encode()}
    write_all(Path(folder), contents, done.record["inputs"], key)
    return Path(folder)
