"""Vectors of texts from their own words alone: TF-IDF and a truncated SVD. Nothing to install, nothing to download."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..engine.backend import one_blas_thread, resolve
from ..engine.graph.propagate import propagate
from ..engine.linalg.svd import truncated_svd
from ..engine.sparse import CSR
from ..errors import DataError, NotFittedError, ParameterError
from ..files import damage_told, expanded, read_archive, write_archive
from .base import TextExtractor, Things, Vectors, digest_of, normalized
from .terms import Folded, Hashes, Terms, blocks

KIND, VERSION, CLASS = "extractor", 1, "tfidf-lsa"  # of the files


class TfidfLSA(TextExtractor):
    """Latent semantic analysis of words and of character n-grams, with fields (`terms.py` says what a term is, in any script).

    For a thing and one of its fields f, in each of two blocks, words and characters:
    x_t = (1 + ln tf_t) idf_t,  idf_t = 1 + ln((1 + n) / (1 + n_t)),  x divided by its length,
    with n_t of n things having t in any field. The blocks, characters times `character_weight`, are put side by side, the fields
    added with their weights, and the sum x divided by its length. The vector is x V, divided by its length, where V are the right
    singular vectors of the matrix of all x with the largest singular values.

    Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval"; Deerwester et al. 1990, "Indexing by latent
    semantic analysis". Each field is normalized, so a long description does not drown a title.

    Parameters
    ----------
    components : d, the number of singular vectors; there are fewer where the matrix has a lower rank.
    characters : lengths of the character n-grams; () for words alone.
    character_weight : weight of the block of characters beside that of words.
    min_things : minimum number of things that must have a term for it to count.
    max_terms : the number of terms of each block that are kept, those that most things have; ties by hash.
    weights : of the fields, see `Extractor`.
    seed : of the start of the SVD.

    A text of which no term is known has a row of zeros. `fit` raises DataError where no term is left. Same texts and seed, same
    bytes. With C characters and z terms a thing: time O(C log C + n z D + D² min(n, terms)), D about 4 d; memory of a million
    characters, of the matrix, and of 4 D min(n, terms) bytes.
    """

    joint = True

    def __init__(
        self,
        *,
        components: int = 256,
        characters: Sequence[int] = (3, 4),
        character_weight: float = 1.0,
        min_things: int = 2,
        max_terms: int = 100_000,
        weights: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        if components < 1 or min_things < 1 or max_terms < 1 or not 0 <= character_weight < np.inf:
            raise ParameterError(
                "components, min_things and max_terms must be at least 1 and character_weight at least 0, "
                f"got {components}, {min_things}, {max_terms}, {character_weight}"
            )
        if any(n < 2 for n in characters):
            raise ParameterError(f"character n-grams must be of 2 or more, got {tuple(characters)}")
        self.components, self.characters, self.character_weight = components, tuple(characters), character_weight
        self.min_things, self.max_terms, self.weights, self.seed = min_things, max_terms, weights, seed
        self._words = self._grams = _Vocabulary.empty()
        self._axes: Vectors | None = None

    def fit(self, things: Things) -> Self:
        """Learn the terms, their idf, and V from the things that are present."""
        texts = _Texts([thing for thing in self.prepared(things) if thing is not None], self.weights)
        self._words = self._learned(texts, grams=False)
        self._grams = self._learned(texts, grams=True) if self.characters and self.character_weight else _Vocabulary.empty()
        if not len(self._words.terms) + len(self._grams.terms):
            raise DataError(f"no term occurs in {self.min_things} or more of the {texts.things} texts: lower min_things, or see the texts")
        matrix, self.backend_ = self._matrix(texts), resolve()
        if matrix.shape[1] <= matrix.shape[0]:
            self._axes = truncated_svd(matrix, self.components, backend=self.backend_, seed=self.seed).vectors
        else:  # the Krylov space is kept on the shorter side
            across = matrix.transpose()
            values, left = truncated_svd(across, self.components, backend=self.backend_, seed=self.seed)
            self._axes = np.asarray(propagate(across, left, backend=self.backend_) / values, np.float32)
        return self

    @property
    def fitted(self) -> bool:
        return self._axes is not None

    @property
    def axes(self) -> Vectors:
        """V, float32 (terms, d)."""
        if self._axes is None:
            raise NotFittedError("TfidfLSA has not been fitted: call fit first")
        return self._axes

    @property
    def dimension(self) -> int:
        return int(self.axes.shape[1])

    @property
    def fingerprint(self) -> str:
        learned = [self.axes, *self._words, *self._grams]
        return digest_of("tfidf-lsa 1", learned, self.characters, float(self.character_weight), self._given())

    def encode(self, things: list[Any]) -> Vectors:
        axes = self.axes
        texts = _Texts(things, self.weights)
        with one_blas_thread():
            parts = [propagate(part, axes, backend=self.backend_) for part in self._parts(texts)]
        return normalized(np.concatenate(parts))

    def save(self, path: str | Path) -> None:
        """Write what `fit` has learned, for TfidfLSA.load: an .npz of plain arrays with a JSON header; it appears whole or not at all."""
        settings = {
            "components": int(self.components),
            "characters": [int(n) for n in self.characters],
            "character_weight": float(self.character_weight),
            "min_things": int(self.min_things),
            "max_terms": int(self.max_terms),
            "weights": self._given() or None,
            "seed": int(self.seed),
        }
        learned = {"axes": self.axes, **self._words.arrays("words"), **self._grams.arrays("grams")}
        write_archive(path, KIND, VERSION, {"class": CLASS, "params": settings}, learned)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote. Nothing in the file is executed; ModelFileError where it is damaged, foreign or of an unknown version."""
        path = expanded(path)
        with damage_told(path, KIND):
            header, arrays = read_archive(path, KIND, VERSION, (CLASS,))
            made = cls(**header["params"])
            if any(type(n) is not int for n in made.characters) or any(type(w) is not float for w in (made.weights or {}).values()):
                raise ValueError("its parameters are of other types than those of TfidfLSA")
            made._words, made._grams, axes = _Vocabulary.of(arrays, "words"), _Vocabulary.of(arrays, "grams"), arrays["axes"]
            terms = len(made._words.terms) + len(made._grams.terms)
            if axes.dtype != np.float32 or axes.ndim != 2 or len(axes) != terms or not terms or not axes.shape[1]:
                raise ValueError(f"axes are {axes.dtype}{axes.shape} for {terms} terms")
            if not np.isfinite(axes).all():
                raise ValueError("axes are not finite")
            made._axes, made.backend_ = axes, resolve()
        return made

    def tfidf(self, things: Things) -> CSR:
        """The matrix of the x (things x terms), rows of length 1; a row without terms is empty."""
        self.axes  # noqa: B018 (raises where nothing has been learned)
        texts = [() if thing is None else thing for thing in self.prepared(things)]
        return self._matrix(_Texts(texts, self.weights))

    def _given(self) -> dict[str, float]:
        """The weights of the fields, of one type: 2 and 2.0 are one weight."""
        return {name: float(weight) for name, weight in (self.weights or {}).items()}

    def _terms(self, texts: Sequence[str], grams: bool) -> Terms:
        folded = Folded(texts)
        return folded.characters(self.characters) if grams else folded.words()

    def _learned(self, texts: _Texts, *, grams: bool) -> _Vocabulary:
        """The terms that are common enough, ascending, and their idf."""
        known, counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        for start, stop in texts.blocks():
            found = self._terms(texts.texts[start:stop], grams)
            terms, place = np.unique(found.term, return_inverse=True)
            pairs = np.unique(texts.owners[start:stop][found.text] * len(terms) + place)
            fresh = np.bincount(pairs % max(len(terms), 1), minlength=len(terms))
            known, where = np.unique(np.concatenate((known, terms)), return_inverse=True)
            counts = np.bincount(where, np.concatenate((counts, fresh)), len(known)).astype(np.int64)
        often = np.flatnonzero(counts >= self.min_things)
        often = np.sort(often[np.argsort(-counts[often], kind="stable")[: self.max_terms]])
        return _Vocabulary(known[often], 1 + np.log((1 + texts.things) / (1 + counts[often])))

    def _matrix(self, texts: _Texts) -> CSR:
        parts = list(self._parts(texts))
        offsets = np.cumsum([0, *(part.nnz for part in parts)])
        pointers = [part.indptr[1:] + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
        return CSR(
            np.concatenate([np.zeros(1, np.int64), *pointers]),
            np.concatenate([np.zeros(0, np.int32), *(part.indices for part in parts)]),
            np.concatenate([np.zeros(0, np.float32), *(part.data for part in parts)]),
            (texts.things, len(self._words.terms) + len(self._grams.terms)),
        )

    def _parts(self, texts: _Texts) -> Iterator[CSR]:
        """The rows of the matrix, a block of things after the other."""
        width = len(self._words.terms) + len(self._grams.terms)
        for start, stop in texts.blocks():
            first, last = int(texts.owners[start]), int(texts.owners[stop - 1]) + 1
            rows, columns, values = [], [], []
            for grams, vocabulary, scale in ((False, self._words, 1.0), (True, self._grams, self.character_weight)):
                if not len(vocabulary.terms):
                    continue
                text, column, value = vocabulary.weighted(self._terms(texts.texts[start:stop], grams), stop - start)
                rows.append(texts.owners[start:stop][text] - first)
                columns.append(column + (len(self._words.terms) if grams else 0))
                values.append(value * scale * texts.shares[start:stop][text])
            block = CSR.from_pairs(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), (last - first, width))
            lengths = np.sqrt(block.sums(block.data.astype(np.float64) ** 2))
            yield block.with_data((block.data / np.repeat(lengths, block.counts())).astype(np.float32))


class _Vocabulary(NamedTuple):
    """terms uint64 (V,), ascending; idf float64 (V,)."""

    terms: Hashes
    idf: NDArray[np.float64]

    @classmethod
    def empty(cls) -> _Vocabulary:
        return cls(np.zeros(0, np.uint64), np.zeros(0))

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], name: str) -> _Vocabulary:
        """The one that `arrays` gave; ValueError where it cannot be one."""
        terms, idf = arrays[f"{name}.terms"], arrays[f"{name}.idf"]
        if terms.dtype != np.uint64 or idf.dtype != np.float64 or terms.ndim != 1 or idf.shape != terms.shape:
            raise ValueError(f"{name} are {terms.dtype}{terms.shape} with {idf.dtype}{idf.shape}")
        if (terms[1:] <= terms[:-1]).any() or not np.isfinite(idf).all() or (idf <= 0).any():
            raise ValueError(f"{name} are out of order, or not finite")
        return cls(terms, idf)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The columns by name."""
        return {f"{name}.terms": self.terms, f"{name}.idf": self.idf}

    def weighted(self, found: Terms, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Text, column and value of the entries of x for n texts, each text's of length 1."""
        column = np.minimum(np.searchsorted(self.terms, found.term), len(self.terms) - 1)
        known = self.terms[column] == found.term
        pairs, counts = np.unique(found.text[known] * len(self.terms) + column[known], return_counts=True)
        text, column = np.divmod(pairs, len(self.terms))
        value = (1 + np.log(counts)) * self.idf[column]
        lengths = np.sqrt(np.bincount(text, value**2, n))
        return text, column, value / lengths[text]


class _Texts:
    """The texts of things one after the other: owners, the thing of each; shares, the weight of its field."""

    def __init__(self, things: Sequence[Any], weights: Mapping[str, float] | None) -> None:
        self.things, given = len(things), weights or {}
        pairs = [
            (at, text, float(given.get(name, 1.0)))
            for at, thing in enumerate(things)
            for name, text in ((("", thing),) if isinstance(thing, str) else thing or (("", ""),))
        ]
        self.texts = [text for _, text, _ in pairs]
        self.owners = np.array([at for at, _, _ in pairs], np.int64)
        self.shares = np.array([share for _, _, share in pairs])

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Ranges of texts, whole things each."""
        start = 0
        for _, stop in blocks(self.texts):
            while stop < len(self.owners) and self.owners[stop] == self.owners[stop - 1]:
                stop += 1
            if stop > start:
                yield start, stop
                start = stop
