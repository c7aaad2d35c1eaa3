"""Events in: the data set, its readers, cleaning, splits, popularity groups, built-in sets and downloads."""

from .account import Account
from .builtin import datasets, load
from .cleaning import clean
from .dataset import Dataset
from .fetch import download, licence
from .ids import IdIndex
from .popularity import Groups, popularity_groups
from .readers import read, read_with_account
from .splits import split
from .summary import describe, describe_text
from .synthetic import Truth, synthetic, synthetic_with_truth
from .writers import atomic_path, write_csv, write_parquet

__all__ = [
    "Account",
    "Dataset",
    "Groups",
    "IdIndex",
    "Truth",
    "atomic_path",
    "clean",
    "datasets",
    "describe",
    "describe_text",
    "download",
    "licence",
    "load",
    "popularity_groups",
    "read",
    "read_with_account",
    "split",
    "synthetic",
    "synthetic_with_truth",
    "write_csv",
    "write_parquet",
]
