"""Checks that re-rankers share."""

from __future__ import annotations

from typing import Any

from ...errors import ParameterError


def column_name(name: str, value: Any) -> None:
    """The name of a column."""
    if not isinstance(value, str) or not value:
        raise ParameterError(f"{name} must be the name of an item column, got {value!r}")


def optional_column(name: str, value: Any) -> None:
    """The name of a column, or None."""
    if value is not None:
        column_name(name, value)
