"""Rampisela et al. (TORS 2024): individual fairness of items, by the authors' own functions, read from a copy of their metrics.py."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minirec.metrics import individual

from .world import Row, World

CLASSES, FUNCTIONS = ("FairWORel", "IID_AID"), ("get_vocd", "get_gini", "get_entropy", "get_jain", "get_QF", "get_metrics")


def rampisela(path: Path) -> Callable[[World], Iterator[Row]]:
    """Their functions, without RecBole and torch, which the rest of the file imports."""
    import pytest
    from scipy.spatial.distance import pdist

    names: dict[str, Any] = {"np": np, "pdist": pdist, "approx": pytest.approx}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name in CLASSES:
            for function in node.body:
                if isinstance(function, ast.FunctionDef) and function.name in FUNCTIONS:
                    exec(compile(ast.Module([function], []), str(path), "exec"), names)

    def rows(world: World) -> Iterator[Row]:
        n, k = world.n_items, world.k
        table = np.array([items[:k] for items in world.lists.values() if len(items) >= k])
        c, places = np.unique(table, return_counts=True)[1], table.size
        each, more = divmod(places, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            jain = names["get_jain"](None, c.copy(), places, n, k, each, more)
            qf = names["get_QF"](None, table, places, n, k)
            entropy = names["get_entropy"](None, c.astype(float), places, n, k, each, more)
        gini = names["get_gini"](None, table, c.copy(), places, n, k, more)
        disparity = names["get_metrics"](None, table + 1, n, k)
        who = "Rampisela et al."
        for name, theirs, measure in (("Jain", jain, individual.jain), ("QF", qf, individual.qualification)):
            yield Row(who, f"{name}_ori", measure.__name__, theirs[0], measure(table, n))
            yield Row(who, f"{name}_our", f"{measure.__name__}(corrected=True)", theirs[1], measure(table, n, corrected=True))
        if np.isfinite(entropy[0]):  # theirs has no value where an item is never recommended
            yield Row(who, "Ent_ori", "entropy_share", entropy[0], individual.entropy_share(table, n))
        yield Row(who, "Ent_our", "entropy_share(corrected=True)", entropy[1], individual.entropy_share(table, n, corrected=True))
        for name, at, more_settings in (("Gini", 0, {}), ("Gini-w", 2, {"weighted": True})):
            ours = individual.gini_share(table, n, **more_settings)
            yield Row(who, f"{name}_ori", "gini_share" if at == 0 else "gini_share(weighted=True)", gini[at], ours)
            corrected = individual.gini_share(table, n, corrected=True, **more_settings)
            yield Row(who, f"{name}_our", f"gini_share({'' if at == 0 else 'weighted=True, '}corrected=True)", gini[at + 1], corrected)
        yield Row(who, "VoCD_ori", "vocd", names["get_vocd"](None, c.copy(), places, k), individual.vocd(table, n))
        for name, theirs_value, ours_value in zip(
            ("II-D_ori", "AI-D_ori"), disparity, individual.individual_disparity(table, n), strict=True
        ):
            yield Row(who, name, "individual_disparity", theirs_value, ours_value)

    return rows
