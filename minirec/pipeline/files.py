"""What a run writes: the report, the numbers, the lists, the model and how to repeat it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError
from ..features import TfidfLSA
from ..files import atomic_path
from ..models.contract.recommendations import Recommendations
from ..models.contract.recommender import Recommender
from ..report import ContentRun, Outcome, gather, render
from .steps import Watch


def write(
    folder: Path,
    model: Recommender,
    recommended: Recommendations,
    record: Mapping[str, Any],
    outcome: Outcome,
    watch: Watch,
    extractor: TfidfLSA | None,
) -> tuple[Path, ...]:
    """All files of a run; one of an earlier run that would not belong to them goes. The page is made before anything is written."""
    report, learned = folder / "report.html", folder / "extractor.npz"
    page = None
    try:
        page = render(gather(outcome))
    except MissingExtraError as error:
        watch.say(str(error))
    files = [_write_recommendations(recommended, folder, watch), folder / "metrics.json", folder / "model.npz", folder / "run.json"]
    model.save(folder / "model.npz")
    if extractor is None:
        learned.unlink(missing_ok=True)
    else:
        extractor.save(learned)
        files.append(learned)
    _write_json(folder / "metrics.json", _metrics(outcome))
    _write_json(folder / "run.json", record)
    if page is None:
        report.unlink(missing_ok=True)
        return tuple(files)
    with atomic_path(report) as draft:
        draft.write_text(page, encoding="utf-8")
    return (report, *files)


def _metrics(outcome: Outcome) -> dict[str, Any]:
    """What metrics.json holds: no times and no versions, so that equal runs give equal files."""
    result = outcome.result
    several = len(result.users) > 1
    accuracy = f"ndcg@{result.settings['k'][0]}"
    return {
        "best": outcome.best,
        "choice": outcome.verdicts,
        "left_out": outcome.left_out,
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
    with atomic_path(path) as draft:
        draft.write_text(json.dumps(finite(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def finite(value: Any) -> Any:
    """The same with None for every number that is not finite: a mean over no users is no number in JSON."""
    if isinstance(value, Mapping):
        return {name: finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _write_recommendations(recommended: Recommendations, folder: Path, watch: Watch) -> Path:
    parquet, text = folder / "recommendations.parquet", folder / "recommendations.csv"
    try:
        recommended.to_parquet(parquet)
    except MissingExtraError as error:
        watch.say(f"{error}; writing {text.name}")
        recommended.to_csv(text)
        parquet.unlink(missing_ok=True)
        return text
    text.unlink(missing_ok=True)
    return parquet


def versions(model: Recommender) -> dict[str, str]:
    found = {"minirec": str(model.provenance_["minirec"]), "python": platform.python_version(), "machine": platform.machine()}
    for package in ("numpy", "scipy", "numba"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found | {"backend": model.backend_}
