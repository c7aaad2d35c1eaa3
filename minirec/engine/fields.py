"""Kinds of fields of delimited text, and what the kernel that parses them returns."""

SKIP, INTEGER, NUMBER, TEXT = range(4)
PARSED, ODD = -1, -2
MISSING = -(2**63)
LONGEST_TEXT, LONGEST_LINE = 2**16, 2**20
