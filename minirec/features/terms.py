"""Texts to terms: the words and the runs of characters in them, as 64-bit numbers, counted a million characters at a time.

A text is folded first: compatibility forms and case (Unicode NFKC, case folding), no accents, no vowel points of Hebrew and Arabic, no
invisible characters; of the marks on one character the first 30. What is left is cut at everything but letters, marks and digits, and
where a script that is written without spaces (Han, kana, hangul, Thai, Lao, Khmer, Burmese) begins or ends.

words : each word; of scripts without spaces each character and each two in a row.
characters : n in a row within a word, with a mark for its beginning and its end; of scripts without spaces, n in a row.

A term is known by a hash of 64 bits: among a million terms, two share one with a probability of 3e-8.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engine.random import mix

BLOCK = 2**20  # characters at a time
MARKS = 30  # on one character
BREAK, WORD, DENSE, DROP = range(4)
_DENSE = (
    *((0x0E00, 0x0F00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x3005, 0x3008), (0x3040, 0x3100), (0x31F0, 0x3200)),
    *((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xD7A4), (0xF900, 0xFB00), (0x20000, 0x40000)),
)
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]+")
_BASE = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


class Terms(NamedTuple):
    """Occurrences of terms: text int64 (n,), the number of the text, and term uint64 (n,)."""

    text: NDArray[np.int64]
    term: Hashes


def blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about BLOCK characters each; a longer text has a range of its own."""
    start, size = 0, 0
    for at, text in enumerate(texts):
        if size and size + len(text) > BLOCK:
            yield start, at
            start, size = at, 0
        size += len(text) + 1
    if start < len(texts):
        yield start, len(texts)


class Folded:
    """Texts cut into runs of characters; `words` and `characters` read them. O(characters)."""

    def __init__(self, texts: Sequence[str]) -> None:
        whole = fold("\n".join(text.replace("\n", " ") for text in texts))
        codes = np.frombuffer(f"\n{whole}\n".encode("utf-32-le"), np.uint32)
        kind = _kinds(codes)
        codes, kind = codes[kind != DROP], kind[kind != DROP]
        ends = codes == 10
        self.text = np.cumsum(ends) - ends - 1  # the end of a text belongs to it; -1 at the very first
        self.kind = kind
        self.run = np.cumsum(np.diff(kind, prepend=kind[:1]) != 0)
        self.codes = mix(codes.astype(np.uint64))
        self.marked = np.where(kind == WORD, self.codes, np.uint64(0))

    def words(self) -> Terms:
        """Words; of scripts without spaces, characters and pairs of them."""
        first = np.flatnonzero((np.diff(self.run, prepend=-1) != 0) & (self.kind == WORD))
        inside = self.kind == WORD
        starts = np.cumsum(inside)[first] - 1
        lengths = np.diff(np.append(starts, inside.sum()))
        place = np.arange(inside.sum()) - np.repeat(starts, lengths)
        power = np.cumprod(np.full(int(lengths.max(initial=0)) + 1, _BASE, np.uint64))
        hashed = np.add.reduceat(self.codes[inside] * power[place], starts) if len(starts) else np.zeros(0, np.uint64)
        return _concatenated([Terms(self.text[first], mix(hashed)), self._dense(1), self._dense(2)])

    def characters(self, lengths: Sequence[int]) -> Terms:
        """Runs of each of the lengths (2 or more) within words, their ends marked, and within scripts without spaces."""
        return _concatenated([part for n in lengths for part in (self._marked(n), self._dense(n))])

    def _marked(self, n: int) -> Terms:
        """Of n characters that are of one word but for the first and the last, which may be its ends."""
        first = np.arange(len(self.codes) - n + 1)
        if n > 2:
            whole = (self.kind[1 : 1 + len(first)] == WORD) & (self.run[1 : 1 + len(first)] == self.run[n - 2 : n - 2 + len(first)])
        else:
            whole = (self.kind[:-1] == WORD) | (self.kind[1:] == WORD)
        first = first[whole]
        return Terms(self.text[first + 1], self._hash(first, n, self.marked))

    def _dense(self, n: int) -> Terms:
        first = np.arange(max(len(self.codes) - n + 1, 0))
        first = first[(self.kind[first] == DENSE) & (self.run[first] == self.run[first + n - 1])]
        return Terms(self.text[first], self._hash(first, n, self.codes))

    def _hash(self, first: NDArray[np.int64], n: int, codes: Hashes) -> Hashes:
        total = np.full(len(first), n, np.uint64)
        for step in range(n):
            total = total * _BASE + codes[first + step]
        return mix(total)


def fold(text: str) -> str:
    """Compatibility forms, case and accents folded; still with the characters that `Folded` drops, composed where they can be."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", _cut(text)).casefold())
    return unicodedata.normalize("NFC", _cut(_ACCENTS.sub("", text)))


def _cut(text: str) -> str:
    """Without marks beyond 30 in a row, as in the stream-safe text format of Unicode: to put a run in order takes its length squared."""
    marks = "".join(sorted(each for each in set(text) if unicodedata.combining(unicodedata.normalize("NFKD", each)[0])))
    return re.sub(f"([{marks}]{{{MARKS}}})[{marks}]+", r"\1", text) if marks else text


def _kinds(codes: NDArray[np.uint32]) -> NDArray[np.int8]:
    """What each character is, looked up once for each that occurs."""
    present = np.flatnonzero(np.bincount(codes))
    table = np.zeros(int(present[-1]) + 1, np.int8)
    table[present] = [_kind(code) for code in present.tolist()]
    return table[codes]


def _kind(code: int) -> int:
    category = unicodedata.category(chr(code))
    if category == "Cf":
        return DROP
    if category[0] not in "LMN":
        return BREAK
    return DENSE if any(start <= code < stop for start, stop in _DENSE) else WORD


def _concatenated(parts: Sequence[Terms]) -> Terms:
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Terms(*columns)
