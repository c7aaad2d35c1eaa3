"""Where a fitted model comes from: versions, machine, backend, seed and data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.dataset import Dataset

if TYPE_CHECKING:
    from .recommender import Recommender


def provenance(model: Recommender, train: Dataset) -> dict[str, Any]:
    """What a model file says about its fit; a seed of None is drawn here."""
    import platform
    import secrets

    from ..._version import __version__

    seed = getattr(model, "seed", 0)
    return {
        "minirec": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "backend": model.backend_,
        "seed": secrets.randbits(32) if seed is None else int(seed),
        "data": {
            "name": train.name,
            "fingerprint": train.fingerprint,
            "events": len(train),
            "users": train.n_users,
            "items": train.n_items,
        },
    }
