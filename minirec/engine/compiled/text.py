"""Delimited text to columns, compiled. See reference/text.py.

`parse_fields` takes about a nanosecond a byte, bound by the branch at each byte; `code_texts` is bound by the cache misses of its
table, about three a row once there are more distinct texts than fit the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..fields import INTEGER, LONGEST_LINE, LONGEST_TEXT, MISSING, NUMBER, ODD, PARSED, TEXT
from ._jit import jit_strict

_TENS = 10.0 ** np.arange(16)
_GOLDEN = 0x9E3779B97F4A7C15


@jit_strict
def parse_fields(
    data: Any, start: Any, stop: Any, delimiter: Any, quote: Any, kinds: Any, slots: Any, first: Any, whole: Any, real: Any
) -> Any:
    """See reference."""
    width = len(kinds)
    row, at = first, start
    while at < stop:
        line = at
        for column in range(width):
            kind, slot = kinds[column], slots[column]
            while at < stop and data[at] == 32 and delimiter != 32:
                at += 1
            begin = at
            if kind in (INTEGER, NUMBER):
                negative = at < stop and data[at] == 45
                at += negative
                digits, point, value = at, -1, np.int64(0)
                while at < stop:
                    digit = np.int64(data[at]) - 48
                    if 0 <= digit <= 9:
                        value = 10 * value + digit
                    elif digit == -2 and point < 0 and kind == NUMBER:
                        point = at
                    else:
                        break
                    at += 1
                n = at - digits - (point >= 0)
                if kind == INTEGER:
                    if n > 18 or (n == 0 and negative) or (n > 0 and data[digits] == 48 and (n > 1 or negative)):
                        return column
                    whole[slot, row] = MISSING if n == 0 else -value if negative else value
                elif at == begin:
                    real[slot, row] = np.nan
                else:
                    if n == 0 or n > 15 or point == digits or point == at - 1:
                        return column
                    number = value / _TENS[at - 1 - point if point >= 0 else 0]  # both are exact, so this is the nearest there is
                    real[slot, row] = -number if negative else number
                while at < stop and data[at] == 32 and delimiter != 32:
                    at += 1
                if at < stop and data[at] != delimiter and data[at] != 10 and data[at] != 13:
                    return column
            else:
                while at < stop and data[at] != delimiter:
                    if data[at] < 32 or data[at] == quote:
                        break
                    at += 1
                if kind == TEXT:
                    end = at
                    while end > begin and data[end - 1] == 32:
                        end -= 1
                    if end - begin >= LONGEST_TEXT:
                        return ODD
                    whole[slot, row] = begin << 16 | (end - begin)
            if column < width - 1:
                if at == stop or data[at] != delimiter:
                    return ODD
                at += 1
        if at < stop:
            if data[at] == 13:
                at += 1
            if at == stop or data[at] != 10:
                return ODD
            at += 1
        if at - line > LONGEST_LINE:
            return ODD
        row += 1
    return PARSED


@jit_strict
def _slot(words: Any, table: Any) -> Any:
    """Where the search for a text begins in the table, and the tag of its entry."""
    hashed = np.uint64(0)
    for word in words:
        hashed = (hashed ^ word) * np.uint64(_GOLDEN)
        hashed ^= hashed >> np.uint64(29)
    return np.int64(hashed) & (len(table) - 1), np.int64(hashed >> np.uint64(41))


@jit_strict
def _grown(values: Any, size: Any) -> Any:
    larger = np.empty(size, values.dtype)
    for at in range(len(values)):
        larger[at] = values[at]
    return larger


@jit_strict
def code_texts(data: Any, spans: Any, codes: Any) -> Any:
    """See reference. A text is compared as words of 8 bytes; the first of a record holds its code and its length."""
    words = np.empty(1 + LONGEST_TEXT // 8, np.uint64)
    records = np.empty(1 << 16, np.uint64)
    table = np.full(1 << 13, -1, np.int64)  # -1: free; else a tag of the text, and the place of its record in the lower 40 bits
    used, count = 0, 0
    firsts = np.empty(1 << 12, np.int64)  # the span where each text first came
    for row in range(len(spans)):
        length = spans[row] & 65535
        if length == 0:
            codes[row] = -1
            continue
        begin = spans[row] >> 16
        n: Any = (length + 7) >> 3
        for place in range(n):
            word = np.uint64(0)
            for byte in data[begin + 8 * place : min(begin + 8 * place + 8, begin + length)]:
                word = word << np.uint64(8) | np.uint64(byte)
            words[place] = word
        slot, tag = _slot(words[:n], table)
        code: Any = count
        while table[slot] >= 0:
            if table[slot] >> 40 == tag:
                record = records[table[slot] & 0xFFFFFFFFFF :]
                same = np.int64(record[0] & np.uint64(65535)) == length
                for place in range(n if same else 0):
                    same &= record[1 + place] == words[place]
                if same:
                    code = np.int64(record[0] >> np.uint64(16))
                    break
            slot = (slot + 1) & (len(table) - 1)
        codes[row] = code
        if code < count:
            continue
        if used + 1 + n > len(records):
            records = _grown(records, 2 * len(records) + n)
        if count == len(firsts):
            firsts = _grown(firsts, 2 * len(firsts))
        table[slot] = tag << 40 | used
        records[used] = np.uint64(count << 16 | length)
        for place in range(n):
            records[used + 1 + place] = words[place]
        firsts[count] = spans[row]
        used += 1 + n
        count += 1
        if 2 * count > len(table):
            table = np.full(2 * len(table), -1, np.int64)
            at = 0
            while at < used:
                n = np.int64((records[at] & np.uint64(65535)) + np.uint64(7)) >> 3
                slot, tag = _slot(records[at + 1 : at + 1 + n], table)
                while table[slot] >= 0:
                    slot = (slot + 1) & (len(table) - 1)
                table[slot] = tag << 40 | at
                at += 1 + n
    offsets = np.zeros(count + 1, np.int64)
    for code in range(count):
        offsets[code + 1] = offsets[code] + (firsts[code] & 65535)
    pool = np.empty(offsets[count], np.uint8)
    for code in range(count):
        begin = (firsts[code] >> 16) - offsets[code]
        for at in range(offsets[code], offsets[code + 1]):
            pool[at] = data[begin + at]
    return pool, offsets
