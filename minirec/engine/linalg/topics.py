"""Topics of documents: latent Dirichlet allocation by expectation maximisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..sparse import CSR

PRIOR = 0.1  # what the Dirichlet priors add to each expected count
_ENTRIES = 2**16  # of a step


def topic_shares(counts: CSR, topics: int, iterations: int, seed: int) -> NDArray[np.float64]:
    """The share of each topic in each document, (documents, topics), rows of sum 1.

    The most probable parameters of LDA (Blei et al. 2003) given the counts (documents, terms), at least 0, found by EM from a random
    start (Asuncion et al. 2009, "On smoothing and inference for topic models", section 2.5): with shares t_dk, terms f_kw and
    g_dwk = t_dk f_kw / sum_l t_dl f_lw,

        t_dk  in proportion to  sum_w n_dw g_dwk + PRIOR,    f_kw  in proportion to  sum_d n_dw g_dwk + PRIOR.

    Both Dirichlet priors are 1 + PRIOR. float64 in one order, the same for every backend. O(iterations nnz topics).
    """
    rng = np.random.default_rng(seed)
    matrix = counts.to_scipy().astype(np.float64)
    by_document, by_term = counts.row_ids(), counts.indices
    shares = rng.dirichlet(np.ones(topics), counts.shape[0])
    terms = rng.dirichlet(np.ones(counts.shape[1]), topics).T.copy()  # (terms, topics)
    for _ in range(iterations):
        mixture = np.empty(counts.nnz)
        for at in range(0, counts.nnz, _ENTRIES):
            span = slice(at, at + _ENTRIES)
            mixture[span] = np.einsum("ek,ek->e", shares[by_document[span]], terms[by_term[span]])
        matrix.data = counts.data / mixture  # never 0: both have the prior
        new = shares * (matrix @ terms) + PRIOR
        terms = terms * (matrix.T @ shares) + PRIOR
        shares = new / new.sum(axis=1, keepdims=True)
        terms /= terms.sum(axis=0)
    return shares
