"""Slow, obvious oracles for the neighbour, walk and linear models: dense float64 arrays and loops."""

import math

import numpy as np


def similarity(documents, kind, shrinkage=0.0, k1=1.2, b=0.75, a=0.5):
    """Similarity of all pairs of documents, the rows of a dense array over terms; a document has none with itself."""
    n, terms = documents.shape
    having = [sum(documents[d, t] != 0 for d in range(n)) for t in range(terms)]
    mean_length = documents.sum() / n
    vectors = np.zeros((n, terms))
    for d in range(n):
        for t in range(terms):
            w = documents[d, t]
            if w == 0:
                continue
            if kind in ("jaccard", "dice"):
                vectors[d, t] = 1
            elif kind in ("cosine", "asymmetric"):
                vectors[d, t] = w
            elif kind == "tfidf":
                vectors[d, t] = w * math.log(n / having[t])
            else:
                idf = math.log(1 + (n - having[t] + 0.5) / (having[t] + 0.5))
                vectors[d, t] = idf * w * (k1 + 1) / (w + k1 * (1 - b + b * documents[d].sum() / mean_length))
    out = np.zeros((n, n))
    for d in range(n):
        for e in range(n):
            product = sum(vectors[d, t] * vectors[e, t] for t in range(terms))
            if d == e or product <= 0:
                continue
            if kind == "bm25":
                out[d, e] = product
            elif kind == "jaccard":
                out[d, e] = product / (sum(vectors[d]) + sum(vectors[e]) - product + shrinkage)
            elif kind == "dice":
                out[d, e] = 2 * product / (sum(vectors[d]) + sum(vectors[e]) + shrinkage)
            elif kind == "asymmetric":
                out[d, e] = product / (sum(vectors[d] ** 2) ** a * sum(vectors[e] ** 2) ** (1 - a) + shrinkage)
            else:
                out[d, e] = product / (math.sqrt(sum(vectors[d] ** 2)) * math.sqrt(sum(vectors[e] ** 2)) + shrinkage)
    return out


def cut_rows(matrix, k):
    """Keep the k largest positive entries of each row; of equal ones (to seven digits) the lower columns."""
    out = np.zeros_like(matrix)
    for r, row in enumerate(matrix):
        best = sorted((c for c in range(len(row)) if row[c] > 0), key=lambda c: (-float(f"{row[c]:.6e}"), c))[:k]
        out[r, best] = row[best]
    return out


def walks(x, alpha, beta):
    """Weights of walks item -> user -> item that do not return, by dense matrices; x (users, items) has the weights of edges."""
    there = x > 0  # for alpha = 0, as 0 ** 0 is 1
    to_user = there.T * (x.T / x.T.sum(axis=1, keepdims=True)) ** alpha
    to_item = there * (x / x.sum(axis=1, keepdims=True)) ** alpha
    weights = to_user @ to_item / there.sum(axis=0) ** beta
    np.fill_diagonal(weights, 0)
    return weights


def ease(x, regularization):
    p = np.linalg.inv(x.T @ x + regularization * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return b


def autoencoder(x, regularization, dropout=0.0, relaxation=0.0, alpha=0.0, beta=0.0):
    """EDLAE, RDLAE or DAN, each entry by its formula."""
    n, lengths = x.sum(axis=0), x.sum(axis=1)
    penalty = regularization + dropout / (1 - dropout) * n
    p = np.linalg.inv((x.T * lengths**-beta) @ x + np.diag(penalty))
    b = np.zeros_like(p)
    for i in range(len(p)):
        for j in range(len(p)):
            if i != j:
                bound = (1 - relaxation) / p[j, j]
                b[i, j] = -p[i, j] * (bound if 1 - p[j, j] * penalty[j] > relaxation else penalty[j]) * (n[i] / n[j]) ** alpha
    return b


def slim_gradient(x, w, l2):
    """Gradient of |X - X W|^2 / 2 + l2 |W|^2 / 2."""
    return x.T @ (x @ w - x) + l2 * w


def slim_by_subsets(x, target, l1, l2):
    """The least value of the SLIM objective for one column, over every set of items that may have a weight."""
    n = x.shape[1]
    others = [i for i in range(n) if i != target]
    best = 0.5 * float((x[:, target] ** 2).sum())
    for mask in range(1, 2 ** len(others)):
        chosen = [i for at, i in enumerate(others) if mask >> at & 1]
        sub = x[:, chosen]
        w = np.linalg.lstsq(sub.T @ sub + l2 * np.eye(len(chosen)), sub.T @ x[:, target] - l1, rcond=None)[0]
        if (w >= 0).all():
            left = x[:, target] - sub @ w
            best = min(best, 0.5 * float(left @ left) + 0.5 * l2 * float(w @ w) + l1 * float(w.sum()))
    return best


def random_counts(rng, users=7, items=6, high=4, density=0.45):
    """A dense array of small weights in which every user and every item has an event."""
    x = rng.integers(1, high, (users, items)) * (rng.random((users, items)) < density)
    for u in range(users):
        x[u, u % items] = max(x[u, u % items], 1)
    for i in range(items):
        x[i % users, i] = max(x[i % users, i], 1)
    return x.astype(np.float64)
