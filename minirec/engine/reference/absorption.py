"""Truncated absorption of random walks on the part of a two-sided graph around their targets, in NumPy: the specification."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..graph.absorption import around, sums
from ..ranking.scorers import Scores
from ..sparse import CSR, Floats, Index, Pointer


def absorb_walks(
    start: int, stop: int,
    indptr: Pointer, indices: Index, data: Floats, t_indptr: Pointer, t_indices: Index, t_data: Floats,
    h_indptr: Pointer, h_indices: Index, h_data: Floats, own: Index, at_items: bool,
    gains: NDArray[np.float64], rewards: NDArray[np.float64], most: int, out: Scores,
) -> None:  # fmt: skip
    """out[r - start, i] = what a walk of at most `steps` = len(rewards) - 1 steps is expected to earn that starts at item i.

    The graph has users (CSR users x items: indptr, indices, data) and items (its transpose: t_*); a step follows an edge with the
    probability of its share of the weight around the node. Profile r has the items and weights of row r of h_*. A walk ends, and
    earns rewards[steps left], at the items of the profile (at_items) or at the user whose row own[r] is, or, where that is -1,
    at a further user with the edges of the profile. On its way it earns gains[u] at each user u. With G_t(i) for t steps left,

        G_t(i) = sum_u p_iu (gains_u + G_(t-1)(u)),  G_t(u) = sum_i p_ui G_(t-1)(i),  G_0 = 0,  G_t = rewards_t at the targets,

    of which only the items at t = steps, the users at steps - 1, ... are worked out. Items outside `around` get 0. out (stop - start,
    items), float32, zero before. O(steps x edges of the part of the graph) a profile.
    """
    by_user = CSR(indptr, indices, data, (len(indptr) - 1, len(t_indptr) - 1))
    by_item = CSR(t_indptr, t_indices, t_data, (len(t_indptr) - 1, len(indptr) - 1))
    steps = len(rewards) - 1
    for r in range(start, stop):
        targets, weights = h_indices[h_indptr[r] : h_indptr[r + 1]], h_data[h_indptr[r] : h_indptr[r + 1]].astype(np.float64)
        part = around(by_user, by_item, targets, -1 if at_items else int(own[r]), most)
        edges, owner = part.edges, part.edges.row_ids()
        by_row = np.maximum(sums(owner, edges.data, len(part.users)), 1e-300)
        degree = sums(edges.indices, edges.data, len(part.items))
        new = not at_items and own[r] < 0
        ends = np.zeros(len(part.items))  # weight of the edge to the target user
        if new:
            ends[: len(targets)] = weights
        elif not at_items:
            ends = sums(edges.indices[owner == 0], edges.data[owner == 0], len(part.items))
        degree = np.maximum(degree + (ends if new else 0.0), 1e-300)
        gain, users = gains[part.users], np.zeros(len(part.users))
        items = np.zeros(len(part.items))
        for left in range(2 - steps % 2, steps + 1, 2):
            if not (at_items or new) and len(users):
                users[0] = rewards[left - 1]
            earned = sums(edges.indices, edges.data * (gain + users)[owner], len(part.items))
            items = (earned + (ends * rewards[left - 1] if new else 0.0)) / degree
            if at_items:
                items[: len(targets)] = rewards[left]
            users = sums(owner, edges.data * items[edges.indices], len(part.users)) / by_row
        out[r - start, part.items] = items
