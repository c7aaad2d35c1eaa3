"""Metrics of anybody's lists: functions of lists, test items, groups and popularity that know no model.

>>> import minirec as mr
>>> mr.metrics.recall({"ann": ["tea", "milk"]}, {"ann": ["milk"]}, k=1)
0.0

docs/metrics.md has every formula with its denominator, its empty cases, and who else defines it how. `metrics.exposure`,
`metrics.individual` and `metrics.groups` hold those of fairness, on arrays of item rows.
"""

from . import exposure as exposure
from . import groups as groups
from . import individual as individual
from .catalogue import aclt, aplt, arp, coverage, efd, entropy, epc, gini, ild, ils, serendipity, user_coverage
from .ranked import dcg, dcg_graded, f1, fbeta, hitrate, map, map_trec, mcc, mrr, ndcg, ndcg_graded, precision, rbp, recall, recall_capped
from .ratings import accuracy_at, auc, fcp, gauc, log_loss, mae, mse, r2, rmse

__all__ = [
    "accuracy_at", "aclt", "aplt", "arp", "auc", "coverage", "dcg", "dcg_graded", "efd", "entropy", "epc", "f1", "fbeta", "fcp", "gauc",
    "gini", "hitrate", "ild", "ils", "log_loss", "mae", "map", "map_trec", "mcc", "mrr", "mse", "ndcg", "ndcg_graded", "precision", "r2",
    "rbp", "recall", "recall_capped", "rmse", "serendipity", "user_coverage",
]  # fmt: skip
