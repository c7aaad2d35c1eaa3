"""Columns as a table of the library that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MissingExtraError, ParameterError


def frame_of(columns: Mapping[str, Any], library: str) -> Any:
    """A "pandas" or "polars" data frame or an "arrow" table; a list that mixes integers and strings becomes strings."""
    plain = {
        name: [str(v) for v in values] if isinstance(values, list) and len({type(v) for v in values} & {int, str}) == 2 else values
        for name, values in columns.items()
    }
    if library not in ("pandas", "polars", "arrow"):
        raise ParameterError(f"library must be 'pandas', 'polars' or 'arrow', got {library!r}")
    try:
        if library == "pandas":
            import pandas

            return pandas.DataFrame(plain)
        if library == "polars":
            import polars

            return polars.DataFrame(plain)
        import pyarrow

        return pyarrow.table(plain)
    except ImportError:
        package = "pyarrow" if library == "arrow" else library
        raise MissingExtraError(package, "demo" if library != "polars" else "test", f"to_frame({library!r})") from None
