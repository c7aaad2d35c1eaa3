"""What the content of items adds to a run: vectors of their texts, models that read them, and items without events."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..data.dataset import Dataset
from ..data.splits import split
from ..errors import DataError, MemoryBudgetError, MissingExtraError, ModelFitError, ParameterError
from ..evaluation import Result, evaluate_new_items
from ..features import Extractor, LanguageModel, StaticEmbedding, TfidfLSA, add_content, cached
from ..models.contract.recommender import Recommender
from ..models.forms.content import ContentModel
from ..options import cache_folder
from .candidates import REFERENCES, reads_content
from .choice import choose
from .records import Encoded
from .watch import Clock
from .weights import Weigher

COLUMN = "text_vectors"  # the item feature that the vectors become; a feature of texts may well be called "text"
JOIN = ", "  # between the texts of an item, which become one
DEFAULT_TEXT = {"completejourney": ("department", "category", "type", "brand", "package_size")}
ENCODERS = ("auto", "language-model", "static", "tfidf")


def text_columns(data: Dataset, text: Sequence[str] | None, built_in: bool) -> tuple[str, ...]:
    """The item features whose texts are encoded: those named, or by default those of the built-in data set."""
    if text is None:
        return DEFAULT_TEXT.get(data.name, ()) if built_in else ()
    missing = [name for name in text if name not in data.item_features]
    if missing:
        there = ", ".join(data.item_features) or "none; name columns of the events by item_text, or a file of items by items"
        raise ParameterError(f"text={list(text)!r}: there is no item feature {missing[0]!r}; there are: {there}")
    return tuple(text)


def make_encoder(name: str) -> Extractor:
    """The extractor of this name; "auto": the best one of those that are installed."""
    if name == "language-model":
        return LanguageModel()
    if name == "static":
        return StaticEmbedding()
    if name == "tfidf":
        return TfidfLSA()
    for better in (LanguageModel, StaticEmbedding):
        try:
            return better()
        except (MissingExtraError, DataError):  # neither package nor folder
            continue
    return TfidfLSA()


def encode(data: Dataset, columns: Sequence[str], encoder: str) -> tuple[Dataset, Encoded, TfidfLSA | None]:
    """The data set with the vectors of its items, and the extractor where it has learned from them.

    Vectors of a pretrained encoder are kept in the cache folder, where that can be written.
    """
    extractor = make_encoder(encoder)
    before, folder = peak_bytes(), cache_folder() / "vectors"
    kept = cached(extractor, folder) if extractor.fitted and _writable(folder) else None
    found = add_content(data, kept or extractor, columns, name=COLUMN, join=JOIN)
    made, read = (data.n_items, 0) if kept is None else (kept.encoded_, kept.read_)
    encoded = Encoded(type(extractor).__name__, extractor.dimension, (peak_bytes() - before) / 1e6, made, read)
    return found, encoded, extractor if isinstance(extractor, TfidfLSA) else None


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def peak_bytes() -> int:
    """The most memory that this process has held; 0 where the system does not say."""
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # Windows
        return 0
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def new_items(
    data: Dataset, models: Mapping[str, Recommender], ks: tuple[int, ...], test: float, seed: int, weigher: Weigher, clock: Clock
) -> tuple[Result | None, dict[str, str]]:
    """Measures content models on items known by content alone; says why some models are left out.

    A share `test` of the items is taken out with all their events; the models are fitted on the rest, take the items in, and rank them
    for the users who took them.
    """
    knowing = {name: model for name, model in models.items() if reads_content(model)}
    if not knowing:
        return None, {}
    failed: dict[str, str] = {}
    train, held_out = split(data, "cold-items", test=test, seed=seed)
    fresh = held_out.compact()
    fitted: dict[str, ContentModel] = {}
    for name, model in knowing.items():
        try:
            with clock.step(f"fit {name} without the new items") as progress:
                made = model.clone().fit(weigher(train, model), progress=progress)
            assert isinstance(made, ContentModel)
            made.add_items(list(fresh.items), fresh.item_features)  # all columns: a model may read other vectors, too
            fitted[name] = made
        except (ModelFitError, MemoryBudgetError) as error:
            failed[name] = f"failed: {error}"
    weigher.drop(train)
    if not fitted:
        return None, failed
    try:
        with clock.step("evaluate new items"):
            return evaluate_new_items(fitted, train, held_out, k=ks, seed=seed), failed
    except DataError as error:  # small data: nobody who is left took one of them
        return None, failed | dict.fromkeys(fitted, f"could not be judged: {error}")


def chosen_pair(validation: Result, settings: Mapping[str, Recommender], labels: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The models that the rule of `run` chooses among those that know content, and among the others; None for a side without any.

    settings : {label on validation: model}. labels : {name on test: label on validation}; others were not measured on test.
    """
    names = {label: name for name, label in labels.items()}

    def best(knows: bool) -> str | None:
        measured = {
            label: found
            for label, found in validation.measured.items()
            if label in names and settings[label].name not in REFERENCES and reads_content(settings[label]) == knows
        }
        return names[choose(replace(validation, measured=measured)).accurate] if measured else None

    return best(True), best(False)
