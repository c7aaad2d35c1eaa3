"""Compile ahead of the first request."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...data.dataset import Dataset
from ...engine.backend import resolve
from .registry import MODELS, model_class


def warmup(models: Sequence[str] | None = None) -> list[str]:
    """Compile the kernels of the named models (None: all of the registry) and keep them in the cache folder.

    Each model is fitted on a handful of events and asked once; a server calls this before it takes requests, an image build
    to fill the cache. Returns the names of the models; an empty list where the backend is NumPy and nothing is compiled.
    """
    chosen = [model_class(name) for name in (MODELS if models is None else models)]
    if resolve() == "numpy":
        return []
    events = [(user, item) for user in range(6) for item in range(6) if (user + item) % 3]
    data = Dataset.from_arrays(
        [user for user, _ in events],
        [item for _, item in events],
        weights=[1.0 + (user * item) % 5 for user, item in events],
        times=list(range(len(events))),
        name="warm-up",
    )
    data = data.with_columns(item_features={"content": np.eye(6, dtype=np.float32)})
    for cls in chosen:
        model = cls()
        if "iterations" in model.get_params():
            model = model.clone(iterations=1)
        model.fit(data).recommend(k=1)
        model.recommend(history=[[0]], k=1)
    return [cls.name for cls in chosen]
