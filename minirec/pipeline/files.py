"""What a run writes: the report, the numbers, the lists, the model and how to repeat it; whole, or not at all.

Everything is drafted in a hidden folder beside its place. Then the manifest (run.json) of the run before goes, the new files take their
places, and the new manifest comes last. So a run that is killed never leaves an old report beside a new model with a manifest
that vouches for both.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import MissingExtraError, ParameterError
from ..features import TfidfLSA
from ..models.contract.recommendations import Recommendations
from ..models.contract.recommender import Recommender
from ..report.page import render
from .records import ContentRun, Outcome
from .summary import summary
from .watch import Watch

MANIFEST = "run.json"
EITHER = {"recommendations.parquet": "recommendations.csv", "recommendations.csv": "recommendations.parquet"}
OPTIONAL = ("report.html", "extractor.npz")


class FolderInUse:
    """Around a run: another one in the same folder is refused. Where the system has no such lock, nothing is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None

    def __enter__(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            return
        self._handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._handle)
            self._handle = None
            raise ParameterError(
                f"another run is writing to the folder {self._folder}: wait for it, or name another (out=..., --out)"
            ) from None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._handle is not None:
            os.close(self._handle)


def write(
    model: Recommender,
    recommended: Recommendations,
    record: dict[str, Any],
    outcome: Outcome,
    watch: Watch,
    extractor: TfidfLSA | None,
) -> tuple[Path, ...]:
    """All files of a run; one of an earlier run that would not belong to them goes."""
    folder = Path(outcome.folder)
    stage = folder / f".minirec.{secrets.token_hex(6)}.part"
    stage.mkdir()
    try:
        model.save(stage / "model.npz")
        names = [_write_recommendations(recommended, stage, watch), "metrics.json", "model.npz"]
        if extractor is not None:
            extractor.save(stage / "extractor.npz")
            names.append("extractor.npz")
        record["page"] = finite(summary(outcome))
        try:
            (stage / "report.html").write_text(render(record["page"]), encoding="utf-8")
            names.insert(0, "report.html")
        except MissingExtraError as error:
            watch.say(str(error))
        _write_json(stage / "metrics.json", _metrics(outcome))
        _write_json(stage / MANIFEST, record)
        for draft in stage.iterdir():
            with open(draft, "rb+") as file:
                os.fsync(file.fileno())
        (folder / MANIFEST).unlink(missing_ok=True)
        for stale in {*OPTIONAL, *(EITHER[name] for name in names if name in EITHER)} - set(names):
            (folder / stale).unlink(missing_ok=True)
        for name in (*names, MANIFEST):
            os.replace(stage / name, folder / name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return tuple(folder / name for name in (*names, MANIFEST))


def _metrics(outcome: Outcome) -> dict[str, Any]:
    """What metrics.json holds: no times and no versions, so that equal runs give equal files."""
    result = outcome.result
    several = len(result.users) > 1
    accuracy = f"ndcg@{result.settings['k'][-1]}"
    return {
        "best": outcome.best,
        "picks": outcome.picks,
        "choice": {label: verdict.value for label, verdict in outcome.choice.verdicts.items()},
        "models": {name: outcome.settings[name].get_params() for name in result.models},
        "labels": {name: outcome.labels[name] for name in result.models},
        "left_out": outcome.left_out,
        "warnings": outcome.warnings,
        "split": outcome.parts.how,
        "settings": result.settings,
        "counts": result.counts,
        "groups": result.groups,
        "test": result.to_dict(),
        "intervals": result.intervals(result.measured[outcome.best].per_user) if several else {},
        "validation": outcome.validation.to_dict(),
        "comparisons": result.compare(outcome.best, metric=accuracy).to_dict() if several and len(result.models) > 1 else [],
        **({} if outcome.content is None else {"content": _content(outcome.content)}),
    }


def _content(found: ContentRun) -> dict[str, Any]:
    return {
        "columns": found.columns,
        "encoder": found.encoded.encoder,
        "dimension": found.encoded.dimension,
        "with_content": found.with_content,
        "without_content": found.without_content,
        "new_items": {} if found.news is None else found.news.to_dict(),
        "left_out": found.failed,
    }


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(finite(content), indent=1, allow_nan=False, default=str) + "\n", encoding="utf-8")


def finite(value: Any) -> Any:
    """The same with None for every number that is not finite: a mean over no users is no number in JSON."""
    if isinstance(value, Mapping):
        return {name: finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _write_recommendations(recommended: Recommendations, folder: Path, watch: Watch) -> str:
    try:
        recommended.to_parquet(folder / "recommendations.parquet")
    except MissingExtraError as error:
        watch.say(f"{error}; writing recommendations.csv")
        recommended.to_csv(folder / "recommendations.csv")
        return "recommendations.csv"
    return "recommendations.parquet"


def versions(model: Recommender) -> dict[str, str]:
    """What the run ran on."""
    found = {"minirec": str(model.provenance_["minirec"]), "python": platform.python_version(), "machine": platform.machine()}
    for package in ("numpy", "scipy", "numba"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | {"backend": model.backend_}
