"""The loop around a model: epochs of batches, early stopping, checkpoints that a training resumes from as if it had not stopped."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError, ModelFitError
from ..backend import one_blas_thread
from .autodiff import Tensor
from .modules import Module
from .optimizers import Optimizer

B = TypeVar("B")
_FORMAT = 1


@dataclass
class Progress:
    """Where a training is: epochs done; the mean loss and the validation score of each; the best epoch (from 1, 0: none yet)."""

    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    best: int = 0


def fit(
    model: Module,
    optimizer: Optimizer,
    batches: Callable[[int, np.random.Generator], Iterable[B]],
    loss: Callable[[B], Tensor],
    *,
    epochs: int,
    seed: int,
    validate: Callable[[], float] | None = None,
    patience: int | None = None,
    checkpoint: str | Path | None = None,
    purpose: str = "",
    callback: Callable[[Progress], bool | None] | None = None,
) -> Progress:
    """Train a model in place; with `validate`, the weights of the best epoch are in it at the end.

    batches(epoch, rng) : the batches of an epoch, counted from 0; all that is random in them comes from rng, a generator of (seed,
    epoch). loss(batch) : one number, of the model in training. The dropout of a step depends on (seed, epoch, step).
    validate() : a score of the model, larger is better; after `patience` epochs without a better one (None: never) training ends.
    checkpoint : an npz file without pickle, written whole or not at all before the first epoch and after each. Where it exists,
    training goes on from it, to the same bytes as one that was never stopped: Ctrl-C costs the epoch that is under way.
    purpose : what else a checkpoint must agree in, such as a fingerprint of the data.
    callback : called after each epoch; True ends the training.

    BLAS is kept to one thread. Raises ModelFitError where a loss or a gradient is not finite, ModelFileError for a checkpoint that
    is damaged or of another model, method or seed.
    """
    progress = Progress()
    best: dict[str, NDArray[Any]] = {}
    if checkpoint is not None and Path(checkpoint).exists():
        progress, best = _resume(Path(checkpoint), model, optimizer, seed, purpose)
    elif checkpoint is not None:
        _save(Path(checkpoint), model, optimizer, seed, purpose, progress, best)
    for tensor in model.parameters().values():
        tensor.grad = None  # of a training that was stopped between a backward and its step
    try:
        with one_blas_thread():
            while progress.epoch < epochs and not _tired(progress, patience):
                progress.losses.append(_epoch(model, optimizer, batches, loss, seed, progress.epoch))
                progress.epoch += 1
                model.evaluate()
                if validate is not None:
                    progress.scores.append(float(validate()))
                    if math.isnan(progress.scores[-1]):
                        raise ModelFitError(f"epoch {progress.epoch - 1}: the validation score is not a number")
                    if not progress.best or progress.scores[-1] > progress.scores[progress.best - 1]:
                        progress.best, best = progress.epoch, model.state()
                if checkpoint is not None:
                    _save(Path(checkpoint), model, optimizer, seed, purpose, progress, best)
                if callback is not None and callback(progress):
                    break
    finally:
        model.evaluate()  # after an exception too: what is used then is not random
    if best:
        model.load_state(best)
    return progress


def _epoch(
    model: Module,
    optimizer: Optimizer,
    batches: Callable[[int, np.random.Generator], Iterable[B]],
    loss: Callable[[B], Tensor],
    seed: int,
    epoch: int,
) -> float:
    """One pass over the batches; their mean loss, NaN without any."""
    losses = []
    for step, batch in enumerate(batches(epoch, np.random.default_rng((seed, epoch)))):
        model.train(int(np.random.SeedSequence((seed, epoch, step)).generate_state(1, np.uint64)[0]))
        out = loss(batch)
        losses.append(out.item())
        if not math.isfinite(losses[-1]):
            raise ModelFitError(
                f"epoch {epoch}, step {optimizer.steps + 1}: the loss is {losses[-1]}; lower the learning rate, clip the gradients, or "
                "look for values that are not finite in the input"
            )
        out.backward()
        try:
            optimizer.step()
        except ModelFitError as error:
            raise ModelFitError(f"epoch {epoch}, {error}") from None
    return math.fsum(losses) / len(losses) if losses else math.nan


def _tired(progress: Progress, patience: int | None) -> bool:
    return patience is not None and bool(progress.best) and progress.epoch - progress.best >= patience


def _save(
    path: Path, model: Module, optimizer: Optimizer, seed: int, purpose: str, progress: Progress, best: dict[str, NDArray[Any]]
) -> None:
    """Write a checkpoint beside the file and put it in its place."""
    header = {"format": _FORMAT, "seed": seed, "method": type(optimizer).__name__, "purpose": purpose, "progress": vars(progress)}
    arrays = {"header": np.array(json.dumps(header))}
    for group, state in (("model", model.state()), ("optimizer", optimizer.state()), ("best", best)):
        arrays |= {f"{group}/{name}": array for name, array in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(draft, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _resume(path: Path, model: Module, optimizer: Optimizer, seed: int, purpose: str) -> tuple[Progress, dict[str, NDArray[Any]]]:
    """Set the model and the optimizer as they were; the progress and the best weights."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            header = json.loads(str(archive["header"]))
            arrays = {name: archive[name] for name in archive.files if name != "header"}
        progress = Progress(**header["progress"])
        mine = _FORMAT, seed, type(optimizer).__name__, purpose
        found = tuple(header[name] for name in ("format", "seed", "method", "purpose"))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"{path} is no checkpoint, or it is damaged ({error}): remove it to begin anew") from None
    if mine != found:
        raise ModelFileError(
            f"{path} is a checkpoint with format, seed, method and purpose {found}, this training has {mine}: remove it or change them"
        )
    groups: dict[str, dict[str, NDArray[Any]]] = {"model": {}, "optimizer": {}, "best": {}}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = array
    try:
        for group in ("best", "model")[0 if progress.best else 1 :]:
            model.load_state(groups[group])
        optimizer.restore(groups["optimizer"])
    except ValueError as error:
        raise ModelFileError(f"{path} is a checkpoint of another model: {error}") from None
    return progress, groups["best"]
