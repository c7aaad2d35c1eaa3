"""Delimited text by compiled kernels: large plain files, several times faster; all else is left to the careful readers.

Plain is what programs write: no quotes, every line with all its fields, numbers in digits (see engine/reference/text.py). At the
first thing that is not, the careful reader takes the file from its beginning, and both give the same where both can read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...engine.backend import kernel, resolve, run_blocks
from ...engine.fields import INTEGER, MISSING, NUMBER, PARSED, SKIP, TEXT
from ..ids import IdIndex
from .opening import as_plain_utf8
from .raw import (
    Ids,
    Numbers,
    RawEvents,
    Times,
    ids_from_array,
    numbers_from_array,
    renumbered,
    times_from_array,
)
from .textfile import Layout, all_whole

SMALLEST = 2**24  # bytes: below, another reader is done before the kernels are loaded
_BLOCK = 2**22


def read_csv_compiled(layout: Layout, roles: dict[str, int], text: dict[str, int]) -> RawEvents | None:
    """The picked columns of a delimited file; None without Numba, or where it is small or not plain. O(bytes)."""
    if resolve() != "numba" or layout.path.stat().st_size < SMALLEST or layout.bare_cr:
        return None
    if {roles.get("weight"), roles.get("time")} & {*text.values()}:
        return None  # one column as a number and as a text
    with as_plain_utf8(layout.path, layout.encoding, layout.delimiter) as (path, delimiter):
        return _read(path, delimiter, layout, roles, text)


def _read(path: Path, delimiter: str, layout: Layout, roles: dict[str, int], text: dict[str, int]) -> RawEvents | None:
    content = path.read_bytes()  # not mapped: a process dies when a file that it has mapped is cut short by another
    edges = _edges(content, layout.skip)
    data = np.frombuffer(content, np.uint8)
    counts = run_blocks(lambda block, _: _count_lines(content[edges[block] : edges[block + 1]]), len(edges) - 1, 1)
    if not counts or min(counts) < 0:
        return None
    first = np.concatenate([[0], np.cumsum(counts)])
    used = sorted({*roles.values(), *text.values()})
    kinds, slots = np.full(len(layout.names), SKIP, np.int8), np.zeros(len(layout.names), np.int64)
    slots[used] = range(len(used))
    for role, at in roles.items():
        kinds[at] = NUMBER if role == "weight" else INTEGER if role != "kind" and all_whole(layout, at) else TEXT
    kinds[list(text.values())] = TEXT
    whole, real = np.empty((len(used), first[-1]), np.int64), np.empty((len(used), first[-1]))
    parse, quote = kernel("parse_fields", "numba"), ord(layout.quote or "\0")

    promised = {roles[role] for role in ("user", "item", "time") if role in roles}

    def parse_block(block: int, _: int) -> int:
        return int(parse(data, edges[block], edges[block + 1], ord(delimiter), quote, kinds, slots, first[block], whole, real))

    while (odd := set(run_blocks(parse_block, len(edges) - 1, 1)) - {PARSED}) <= promised and odd:
        kinds[list(odd)] = TEXT  # the first rows promised integers, a later one broke the promise
    if odd:
        return None

    texts = np.flatnonzero(kinds == TEXT).tolist()
    coded = dict(zip(texts, run_blocks(lambda n, _: _coded(data, whole[slots[texts[n]]]), len(texts), 1), strict=True))

    def ids(role: str) -> Ids:
        at = roles[role]
        if at in coded:
            return coded[at]
        values = whole[slots[at]]
        return ids_from_array(values, values == MISSING, f"{role} id")

    def weight() -> Numbers | None:
        if "weight" not in roles:
            return None
        values = real[slots[roles["weight"]]]
        return numbers_from_array(values, np.isnan(values))

    def time() -> Times | Ids | None:
        if "time" not in roles or roles["time"] in coded:
            return coded[roles["time"]] if "time" in roles else None
        values = whole[slots[roles["time"]]]
        return times_from_array(values, values == MISSING)

    return RawEvents(
        ids("user"),
        ids("item"),
        weight(),
        time(),
        ids("kind") if "kind" in roles else None,
        {name: coded[at] for name, at in text.items()},
        str(layout.path),
        header=(layout.names[roles["user"]], layout.names[roles["item"]]) if layout.header else None,
    )


def _edges(content: bytes, skip: int) -> list[int]:
    """Where the blocks of whole lines begin, after `skip` lines; the last entry is the end of the last line."""
    edges = [3 if content[:3] == b"\xef\xbb\xbf" else 0]
    for _ in range(skip):
        edges[0] = content.find(b"\n", edges[0]) + 1 or len(content)
    end = len(content)
    while end > edges[0] and content[end - 1] in b"\r\n":
        end -= 1
    while edges[-1] < end:
        found = content.find(b"\n", edges[-1] + _BLOCK, end) + 1
        edges.append(found or end)
    return edges


def _count_lines(block: bytes) -> int:
    """The number of lines; -1 where the bytes are not UTF-8."""
    if not block.isascii():
        try:
            block.decode()
        except UnicodeDecodeError:
            return -1
    return block.count(b"\n") + (block[-1:] != b"\n")


def _coded(data: NDArray[np.uint8], spans: NDArray[np.int64]) -> Ids:
    codes = np.empty(len(spans), np.int32)
    index, row = IdIndex.from_bytes(*kernel("code_texts", "numba")(data, spans, codes))
    return Ids(index, renumbered(row, codes))
