"""Generated input for the twins of engine/*/text.py."""

import numpy as np

from minirec.engine.fields import INTEGER, NUMBER, SKIP, TEXT

GOOD = {
    INTEGER: ["0", "7", "-12", "123456789012345678", "", " 5 ", "31"],
    NUMBER: ["0", "2.5", "-0.125", "-0", "", "12345678.9012345", " 1.0 ", "007"],
    TEXT: ["a", "sku-1", "", " blanks around ", "é", "eightbyt", "x" * 40, "zz"],
    SKIP: ["", "anything", "1.5"],
}
ODD = ["1x", "007", "-0", "-", "1e5", ".5", "5.", "1.2.3", "1" * 19, "0.1234567890123456", "\x01", '"', "\r", "x" * 2**16]


def _bytes(text):
    return np.frombuffer(text.encode(), np.uint8)


def parse_fields(rng):
    """Lines of all kinds of fields; in most draws one field or line end is unusual."""
    delimiter = str(rng.choice([",", "\t", " ", "\x1f"]))
    kinds = rng.permutation([INTEGER, NUMBER, TEXT, SKIP, INTEGER]).astype(np.int8)
    rows = [[str(rng.choice(GOOD[int(kind)])) for kind in kinds] for _ in range(6)]
    if delimiter == " ":
        rows = [[field.strip().replace(" ", "_") for field in row] for row in rows]
    if rng.random() < 0.7:
        rows[rng.integers(6)][rng.integers(5)] = str(rng.choice(ODD))
    ends = rng.choice(["\n", "\n", "\n", "\r\n"], 6).tolist()
    ends[-1] = str(rng.choice(["\n", "", "\r\n", "," if rng.random() < 0.2 else "\n", "\n\n" if rng.random() < 0.3 else "\n"]))
    head = "user,item\n"
    data = _bytes(head + "".join(delimiter.join(row) + end for row, end in zip(rows, ends, strict=True)))
    slots = np.array([0, 1, 2, 0, 3])
    quote = int(rng.choice([0, 34]))
    return data, len(head), len(data), ord(delimiter), quote, kinds, slots, 2, np.zeros((4, 9), np.int64), np.zeros((4, 9))


def code_texts(rng):
    """Few texts or more than the first table holds; of all lengths, some the beginning of another."""
    texts = [str(n) * int(rng.integers(1, 4)) for n in range(int(rng.choice([3, 40, 9000])))] + ["a" * n for n in range(20)] + ["é" * 300]
    picked = rng.choice(texts, 3 * len(texts))
    lengths = np.array([len(text.encode()) for text in picked], np.int64)
    begins = np.cumsum(lengths) - lengths
    return _bytes("".join(picked)), begins * 65536 + lengths, np.zeros(len(picked), np.int32)


CASES = {"parse_fields": parse_fields, "code_texts": code_texts}
