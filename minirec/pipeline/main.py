"""`run`: from an event log to recommendations, a saved model and a report, in one folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..options import memory_budget, options
from .arguments import as_list, as_params, checked
from .choice import PRICE
from .job import Job
from .records import Run
from .watch import Watch, default_watch

MOST_MEMORY = 3 * 10**9  # bytes that a model may take by default, so that the whole run stays under 4 GB


def run(
    source: Any = None,
    *,
    out: str | Path = "minirec-out",
    models: Iterable[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    k: int | Iterable[int] = (10, 20),
    split: str | None = None,
    test: float = 0.2,
    seed: int = 0,
    weights: str = "binary",
    target: str | Iterable[str] | None = None,
    include_seen: bool = False,
    prefer: str = "balanced",
    price: float = PRICE,
    budget: str | float | None = None,
    min_weight: float | None = None,
    max_user_events: int | None = None,
    min_user_items: int = 1,
    min_item_users: int = 1,
    text: Iterable[str] | None = None,
    encoder: str = "auto",
    memory: int | str | None = None,
    trials: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    **reader: Any,
) -> Run:
    """From an event log to recommendations, a saved model and a report, in one folder.

    1. Read `source`: None or the name of a built-in data set (see `load`), a path or a table (see `read`, which takes `reader`).
    2. Clean: `min_weight`, `max_user_events`, `min_user_items`, `min_item_users` as in `clean`; repeated events stay.
    3. Split off a share `test` as the test events, and of the rest the same share, by the same rule, as the validation events; several
       times, one before the other, where one validation set has few users. Where a split by time could judge less than half of the
       test pairs and you did not ask for it, the last new item of each user is held out instead, which is said first.
    4. Try candidates on the validation events: each model once, then by successive halving settings from its search range, within
       `budget`. Three picks: **accurate** has the highest NDCG; **balanced** the most tail among those that are not significantly
       below it, nor by more than half of `price`; **tail** the most tail among all within `price` (see `pipeline/choice.py`).
       `prefer` names the default pick. Popularity and Random are references: they are picked only where nothing beats the bestsellers.
    5. Fit on train and validation events together, one model after the other, and measure on the test events: the references,
       ItemKNN, the picks, and the best setting of each other model while there is time.
    6. Fit the default pick on all events; it is what is saved and what recommends.

    out : the folder to write to: report.html (extra: report), metrics.json, recommendations.parquet (extra: io; else .csv),
        model.npz and run.json; extractor.npz where the model reads vectors that `TfidfLSA` has made, for those of later items. run.json
        is written last: a folder without it is of a run that was cut short. Two runs at once in one folder are refused.
    models : registry names; default: those of `DEFAULT_MODELS` that fit the data, the memory and the time. Models that you name run
        with their defaults and `params`, {model: {parameter: value}}; they are searched too where you give a `budget`.
        `seed` goes to every model that has one.
    k : lengths of the lists that are measured; the largest decides, and is also how many items each user gets.
    split : "time" (the default where there are times), "random" (the default where there are none) or "leave-last".
    weights : what a pair of user and item counts for ranking models: "binary" 1, "count" its number of events, "log" the sum of
        log2(1 + weight), "raw" the sum of weights. With other than "binary", ALS takes them for confidence (alpha 1) and ItemKNN sums
        them; models that do not use weights are named. Rating models get the weights as they are.
    target : kinds of event that count in the evaluation, such as "buy"; all kinds are learned from.
    include_seen : recommend, and judge, what a user has already: repeat purchases.
    prefer : "accuracy", "balanced" or "tail". price : the share of the best NDCG that the tail may cost.
    budget : time for all but the fit on all events and its lists, most of it the search: "90s", "3m" (the default), "1h"; 0: no search.
    text : item features (title, category, ...) whose texts are made into vectors, which the models of content read: `CONTENT_MODELS`
        join the run where none is named. The report then says what the content adds on head, middle, tail and new items. Default:
        the texts of Complete Journey; () for none. See `docs/features.md`.
    encoder : "language-model", "static", "tfidf" (see `minirec.features`), or "auto", the first of these that is installed. Vectors of
        a pretrained one are kept in the cache folder (`MINIREC_CACHE`).
    memory : budget for a single model; default: the budget in force (`MINIREC_MEMORY`), but at most 3 GB. A model that is
        estimated to need more is left out, which the report says, as is one whose fit fails.
    trials : what an earlier run tried, from its run.json: tried again, and nothing else, so that the outcome is the same.
    watch : hears how it goes; default: a line or a bar a step on stderr, in terminals and notebooks.

    >>> import minirec as mr
    >>> done = mr.run(mr.synthetic(n_users=60, n_items=40, n_events=900), models=["popularity", "itemknn"], out="shop")
    >>> done.best in done.result.models
    True

    Raises ParameterError for arguments that make no sense together, DataError for events that cannot be judged, MemoryBudgetError
    where no model fits.
    """
    limits = {
        "min_weight": min_weight, "max_user_events": max_user_events, "min_user_items": min_user_items, "min_item_users": min_item_users,
    }  # fmt: skip
    arguments = checked(
        {
            "source": source, "models": as_list(models), "params": as_params(params), "k": k if isinstance(k, int) else list(k),
            "split": split, "test": test, "seed": seed, "weights": weights, "target": as_list(target), "include_seen": include_seen,
            "prefer": prefer, "price": price, "budget": budget, "text": as_list(text), "encoder": encoder, "memory": memory,
            "trials": None if trials is None else dict(trials),
        },
        out, reader, limits,
    )  # fmt: skip
    with options(memory=memory or min(memory_budget(), MOST_MEMORY)):
        return Job(arguments, watch or default_watch()).go()
