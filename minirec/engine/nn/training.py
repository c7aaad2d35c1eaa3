"""The loop around a model: epochs of batches, early stopping, checkpoints that a training resumes from as if it had not stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import MinirecError, ModelFileError, ModelFitError
from ...files import DAMAGE, damage_told, expanded, read_archive, write_archive
from ..backend import one_blas_thread, resolve
from .autodiff import Tensor
from .modules import Module
from .optimizers import Optimizer

B = TypeVar("B")
KIND, VERSION = "checkpoint", 2
METHODS = ("SGD", "AdaGrad", "Adam")


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
    is damaged or of another model, method, seed or backend.
    """
    progress = Progress()
    best: dict[str, NDArray[Any]] = {}
    checkpoint = None if checkpoint is None else expanded(checkpoint)
    if checkpoint is not None and checkpoint.exists():
        progress, best = _resume(checkpoint, model, optimizer, seed, purpose)
    elif checkpoint is not None:
        _save(checkpoint, model, optimizer, seed, purpose, progress, best)
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
                    _save(checkpoint, model, optimizer, seed, purpose, progress, best)
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
    """Write a checkpoint; it takes the place of the one before when it is whole."""
    losses = [None if math.isnan(number) else number for number in progress.losses]  # an epoch without batches; JSON has no NaN
    reached = {**vars(progress), "losses": losses}
    header = {"class": type(optimizer).__name__, "seed": seed, "purpose": purpose, "backend": resolve(), "progress": reached}
    arrays = {
        f"{group}/{name}": array
        for group, state in (("model", model.state()), ("optimizer", optimizer.state()), ("best", best))
        for name, array in state.items()
    }
    write_archive(path, KIND, VERSION, header, arrays)


def _resume(path: Path, model: Module, optimizer: Optimizer, seed: int, purpose: str) -> tuple[Progress, dict[str, NDArray[Any]]]:
    """Set the model and the optimizer as they were; the progress and the best weights."""
    method = type(optimizer).__name__
    with damage_told(path, f"{KIND} (remove it to begin anew)"):
        header, arrays = read_archive(path, KIND, VERSION, METHODS)
        progress = _progress(header["progress"])
        if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("it holds numbers that are not finite")
        found = tuple(header[name] for name in ("class", "seed", "purpose", "backend"))
    mine = method, seed, purpose, resolve()
    if mine != found:
        raise ModelFileError(
            f"{path} is a checkpoint with method, seed, purpose and backend {found}, this training has {mine}: remove it or change them"
        )
    groups: dict[str, dict[str, NDArray[Any]]] = {"model": {}, "optimizer": {}, "best": {}}
    for name, array in arrays.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = array
    try:
        for group in ("best", "model")[0 if progress.best else 1 :]:
            model.load_state(groups[group])
        optimizer.restore(groups["optimizer"])
    except (*DAMAGE, MinirecError) as error:
        raise ModelFileError(f"{path} is a checkpoint of another model: {error}") from None
    return progress, groups["best"]


def _progress(given: Any) -> Progress:
    """The progress that a header holds; ValueError where it cannot be one."""
    progress = Progress(**{**given, "losses": [math.nan if number is None else number for number in given["losses"]]})
    counts, numbers = (progress.epoch, progress.best), (progress.losses, progress.scores)
    if any(type(count) is not int or count < 0 for count in counts) or not progress.best <= progress.epoch == len(progress.losses):
        raise ValueError(f"a progress of {counts} epochs with {len(progress.losses)} losses")
    if any(type(number) is not float for column in numbers for number in column) or len(progress.scores) not in (0, progress.epoch):
        raise ValueError("losses and scores are not numbers, one for each epoch")
    return progress
