"""SHA-256 of what an audit read and wrote, the manifest that holds them, a detached signature, and the check of all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.dataset import Dataset
from ..errors import DataError, MissingExtraError, ParameterError
from ..files import atomic_path

MANIFEST, SIGNATURE = "manifest.json", "manifest.json.sig"
FORMAT, VERSION = "minirec audit manifest", 1


def of_bytes(content: bytes) -> str:
    """SHA-256 as hexadecimal text."""
    return hashlib.sha256(content).hexdigest()


def of_file(path: Path) -> str:
    """SHA-256 of a file's bytes; O(size), little memory."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_input(role: str, source: Any) -> dict[str, Any]:
    """How an input is named in the record: a file by its path, size and hash; a data set by its fingerprint."""
    if isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        if not path.is_file():
            if path.is_dir():
                return {"role": role, "path": str(source), "kind": "folder"}
            raise DataError(f"{path}: there is no such file")
        return {"role": role, "path": str(source), "kind": "file", "bytes": path.stat().st_size, "sha256": of_file(path)}
    if isinstance(source, Dataset):
        return {"role": role, "kind": "data set in memory", "sha256": source.fingerprint}
    return {"role": role, "kind": f"{type(source).__name__} in memory"}


def manifest(files: Mapping[str, bytes], inputs: list[dict[str, Any]]) -> bytes:
    """The manifest of an audit: the hash of each of its files and of each input. The same content gives the same bytes."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "files": {name: {"bytes": len(text), "sha256": of_bytes(text)} for name, text in sorted(files.items())},
        "inputs": inputs,
    }
    return (json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def write_all(folder: Path, files: Mapping[str, bytes], inputs: list[dict[str, Any]], key: str | Path | None) -> None:
    """Write the files of an audit, its manifest last, and the detached signature of the manifest where a key is given."""
    text = manifest(files, inputs)
    signature = None if key is None else sign(text, key)  # a bad key is refused before anything is written
    for name, content in files.items():
        _write(folder / name, content)
    _write(folder / MANIFEST, text)
    if signature is not None:
        _write(folder / SIGNATURE, signature)
    else:
        (folder / SIGNATURE).unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    with atomic_path(path) as draft:
        draft.write_bytes(content)


def sign(text: bytes, key: str | Path) -> bytes:
    """The ed25519 signature (64 bytes, RFC 8032) of a text under a private key in PEM. Needs the extra `sign`."""
    serialization, _, ed25519 = _cryptography()
    try:
        private = serialization.load_pem_private_key(Path(key).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ParameterError(f"{key}: not a readable private key in PEM without a password ({error})") from None
    if not isinstance(private, ed25519.Ed25519PrivateKey):
        raise ParameterError(f"{key}: an ed25519 key is needed: openssl genpkey -algorithm ed25519")
    return bytes(private.sign(text))


def verify(folder: str | Path, public_key: str | Path | None = None) -> list[str]:
    """What is wrong with an audit: files that were changed or are missing, inputs that were changed, a signature that does not fit.

    An empty list: every file is as it was written. Inputs that are no longer where they were read from are not wrong; see
    `absent_inputs`. DataError where the folder holds no audit.
    """
    folder = Path(folder)
    text, content = _read_manifest(folder)
    wrong = []
    for name, entry in sorted(content["files"].items()):
        path = folder / name
        if Path(name).name != name:
            wrong.append(f"{MANIFEST}: {name!r} is not the name of a file in this folder")
        elif not path.is_file():
            wrong.append(f"{name}: missing")
        elif of_file(path) != entry["sha256"] or path.stat().st_size != entry.get("bytes"):
            wrong.append(f"{name}: changed, its SHA-256 is not the one in {MANIFEST}")
    for entry in content["inputs"]:
        if "path" in entry and "sha256" in entry and Path(entry["path"]).is_file() and of_file(Path(entry["path"])) != entry["sha256"]:
            wrong.append(f"{entry['path']} ({entry['role']}): changed since it was audited")
    wrong += _plan_and_report(folder, content)
    if public_key is not None:
        wrong += _check_signature(folder, text, public_key)
    return wrong


def absent_inputs(folder: str | Path) -> list[str]:
    """Inputs that are not where they were read from, so that `verify` cannot say whether they are the same."""
    _, content = _read_manifest(Path(folder))
    return [entry["path"] for entry in content["inputs"] if "path" in entry and not Path(entry["path"]).exists()]


def _read_manifest(folder: Path) -> tuple[bytes, dict[str, Any]]:
    path = folder / MANIFEST
    try:
        text = path.read_bytes()
    except OSError:
        raise DataError(f"{folder} holds no audit: there is no {MANIFEST} in it") from None
    try:
        content = json.loads(text)
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise DataError(f"{path}: not a manifest of an audit that this minirec reads")
        for entry in content["files"].values():
            entry["sha256"]
        for entry in content["inputs"]:
            entry["role"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{path}: damaged, not a manifest of an audit") from None
    return text, content


def _plan_and_report(folder: Path, content: dict[str, Any]) -> list[str]:
    """The record repeats the hash of the plan and of the inputs: whoever changed a file and the manifest alike is found out here."""
    path = folder / "audit.json"
    try:
        record = json.loads(path.read_bytes())
        plan, inputs = record["plan"]["sha256"], record["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # its hash has been found wrong above
    wrong = []
    if (folder / "plan.toml").is_file() and of_file(folder / "plan.toml") != plan:
        wrong.append("plan.toml: not the plan that audit.json was made by")
    if inputs != content["inputs"]:
        wrong.append(f"{MANIFEST}: its inputs are not those of audit.json")
    return wrong


def _check_signature(folder: Path, text: bytes, public_key: str | Path) -> list[str]:
    serialization, invalid, ed25519 = _cryptography()
    try:
        key = serialization.load_pem_public_key(Path(public_key).read_bytes())
    except (OSError, ValueError) as error:
        raise ParameterError(f"{public_key}: not a readable public key in PEM ({error})") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ParameterError(f"{public_key}: an ed25519 key is needed")
    if not (folder / SIGNATURE).is_file():
        return [f"{SIGNATURE}: missing, so the signature cannot be checked"]
    try:
        key.verify((folder / SIGNATURE).read_bytes(), text)
    except invalid:
        return [f"{SIGNATURE}: does not fit {MANIFEST} and this key"]
    return []


def _cryptography() -> tuple[Any, Any, Any]:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise MissingExtraError("cryptography", "sign", "signing an audit") from None
    return serialization, InvalidSignature, ed25519
