"""Events in: the data set, its readers, cleaning, splits, popularity groups, built-in sets and downloads."""

from ..files import atomic_path
from .account import Account
from .cleaning import clean
from .dataset import Dataset
from .folds import folds
from .ids import IdIndex
from .popularity import Groups, popularity_groups
from .reading.readers import read, read_with_account
from .sources.built_in import datasets, load
from .sources.downloads import download, licence
from .sources.synthetic import Truth, synthetic, synthetic_with_truth
from .splits import split
from .summary import describe, describe_text
from .writers import write_csv, write_parquet

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
    "folds",
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
