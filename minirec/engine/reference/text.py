"""Delimited text to columns: the part of a text file that needs no judgement. Anything unusual stops it.

Lines end in "\\n" or "\\r\\n" and have one field a column. There is no quote, no control character, no blank line. Blanks around
a field do not count; a field without anything else is missing.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..fields import INTEGER, LONGEST_LINE, LONGEST_TEXT, MISSING, NUMBER, ODD, PARSED, TEXT

_TOKEN = {INTEGER: re.compile(rb"-?[0-9]*"), NUMBER: re.compile(rb"-?[0-9]*\.?[0-9]*")}
_GOOD = {INTEGER: re.compile(rb"|0|-?[1-9][0-9]{0,17}"), NUMBER: re.compile(rb"|-?[0-9]+(\.[0-9]+)?")}


def parse_fields(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    delimiter: int,
    quote: int,
    kinds: NDArray[np.int8],
    slots: NDArray[np.int64],
    first: int,
    whole: NDArray[np.int64],
    real: NDArray[np.float64],
) -> int:
    """Parse the lines of data[start:stop], the first of them into row `first` of the columns.

    data : uint8 (bytes,). start, stop : of whole lines. delimiter, quote : one byte each, quote 0: there is none.
    kinds, slots : int8 and int64 (columns,); column c goes to row slots[c] of `whole` (int64, used columns x rows) or `real`
    (float64, the same), by its kind. INTEGER: as a program writes it (no plus, no leading zero), 18 digits at most; MISSING where
    nothing is there. NUMBER: decimal, 15 digits at most, NaN where nothing is there. TEXT: its place, 65536 * begin + length.
    Returns PARSED, or the column of a field that is not of its kind, or ODD for a file that takes a full parser. O(bytes).
    """
    text = data[:stop].tobytes()
    mark = bytes([delimiter])
    plain = re.compile(b"[^" + re.escape(mark) + re.escape(bytes([quote])) + rb"\x00-\x1f]*")
    blanks = re.compile(b"" if mark == b" " else b" *")
    row, at = first, start
    while at < stop:
        line = at
        for column, (kind, slot) in enumerate(zip(kinds.tolist(), slots.tolist(), strict=True)):
            begin = blanks.match(text, at).end()  # type: ignore[union-attr]
            token: bytes = _TOKEN.get(kind, plain).match(text, begin).group()  # type: ignore[union-attr]
            at = begin + len(token)
            if kind in (INTEGER, NUMBER):
                if not _GOOD[kind].fullmatch(token) or (kind == NUMBER and sum(digit in b"0123456789" for digit in token) > 15):
                    return column
                if kind == INTEGER:
                    whole[slot, row] = int(token or MISSING)
                else:
                    real[slot, row] = float(token or np.nan)
                at = blanks.match(text, at).end()  # type: ignore[union-attr]
                if text[at : at + 1] not in (b"", mark, b"\n", b"\r"):
                    return column
            elif kind == TEXT:
                length = len(token.rstrip(b" "))
                if length >= LONGEST_TEXT:
                    return ODD
                whole[slot, row] = begin << 16 | length
            if column < len(kinds) - 1:
                if text[at : at + 1] != mark:
                    return ODD
                at += 1
        if at < stop:
            at += text[at : at + 1] == b"\r"
            if text[at : at + 1] != b"\n":
                return ODD
            at += 1
        if at - line > LONGEST_LINE:
            return ODD
        row += 1
    return PARSED


def code_texts(data: NDArray[np.uint8], spans: NDArray[np.int64], codes: NDArray[np.int32]) -> tuple[Any, Any]:
    """Number the distinct texts at `spans` (as `parse_fields` gives them) in the order in which they first come; -1: no text.

    codes : int32 (rows,), written. Returns the bytes of the distinct texts, uint8, and their offsets, int64 (distinct + 1,). O(bytes).
    """
    known: dict[bytes, int] = {}
    for row, span in enumerate(spans.tolist()):
        text = data[span >> 16 : (span >> 16) + (span & 65535)].tobytes()
        codes[row] = known.setdefault(text, len(known)) if text else -1
    offsets = np.zeros(len(known) + 1, np.int64)
    np.cumsum([len(text) for text in known], out=offsets[1:])
    return np.frombuffer(b"".join(known), np.uint8), offsets
