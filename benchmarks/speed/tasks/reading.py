# mypy: disable-error-code="import-not-found,import-untyped"
"""From a file of events to columns of row numbers: users are integers, items are text."""

from __future__ import annotations

from functools import partial

from ..job import Job
from ..task import Task

COLUMNS = ["user", "item", "quantity", "time"]


def minirec(job: Job, kind: str) -> None:
    from minirec import read

    job.start()
    data = read(job.file(f"events.{kind}"), user="user", item="item", weight="quantity", time="time")
    job.lap(lambda: {"users": data.n_users, "items": data.n_items, "events": len(data)})


def pandas(job: Job, kind: str) -> None:
    import pandas as pd

    job.start()
    frame = pd.read_csv(job.file("events.csv"), engine="pyarrow") if kind == "csv" else pd.read_parquet(job.file("events.parquet"))
    user, users = pd.factorize(frame["user"])
    _, items = pd.factorize(frame["item"])
    job.lap(lambda: {"users": len(users), "items": len(items), "events": len(user)})


def polars(job: Job, kind: str) -> None:
    import polars as pl

    job.start()
    frame = pl.scan_csv(job.file("events.csv")) if kind == "csv" else pl.scan_parquet(job.file("events.parquet"))
    read = frame.with_columns(pl.col("item").cast(pl.Categorical).to_physical(), pl.col("user").rank("dense")).collect()
    job.lap(lambda: {"users": read["user"].n_unique(), "items": read["item"].n_unique(), "events": len(read)})


TASKS = [
    Task(
        f"read-{kind}",
        f"Reading 10 million events from {label}",
        ("events-10000000",),
        {"minirec": partial(minirec, kind=kind), "pandas": partial(pandas, kind=kind), "polars": partial(polars, kind=kind)},
        "run",
        judge="given",
    )
    for kind, label in (("csv", "CSV"), ("parquet", "Parquet"))
]
