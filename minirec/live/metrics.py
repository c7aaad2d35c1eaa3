"""Counters and latencies of all workers, in memory that they share, as Prometheus reads them."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence

import numpy as np

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
STATUSES = ("2xx", "4xx", "5xx")
COUNTERS = {
    "events_acknowledged": "events that were acknowledged and new",
    "events_repeated": "events that were there already",
    "events_rejected": "events that were refused",
    "lists_served": "lists that were served",
    "lists_lost": "lists that could not be logged",
    "clock_setbacks": "times that the clock of the machine was found set back",
    "model_reloads": "models that were swapped in",
}


class Metrics:
    """One row of numbers a worker; made before the workers are forked, so that each of them can tell of all."""

    def __init__(self, routes: Sequence[str], workers: int = 1) -> None:
        self.routes = tuple(routes)
        self._width = len(STATUSES) + len(BUCKETS) + 2  # statuses, buckets, what is above them, the sum
        size = len(COUNTERS) + len(self.routes) * self._width
        self._memory = mmap.mmap(-1, 8 * size * workers)
        self._table = np.frombuffer(self._memory, np.float64).reshape(workers, size)
        self._names = {name: at for at, name in enumerate(COUNTERS)}
        self._starts = {route: len(COUNTERS) + at * self._width for at, route in enumerate(self.routes)}
        self._mine = self._table[0]

    def of_worker(self, worker: int) -> None:
        """Count as this worker from now on."""
        self._mine = self._table[worker]

    def add(self, name: str, by: float = 1) -> None:
        """Raise a counter."""
        self._mine[self._names[name]] += by

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        start = self._starts[route]
        self._mine[start + (0 if status < 400 else 1 if status < 500 else 2)] += 1
        at = 0
        while at < len(BUCKETS) and seconds > BUCKETS[at]:
            at += 1
        self._mine[start + len(STATUSES) + at] += 1
        self._mine[start + self._width - 1] += seconds

    def total(self, name: str) -> float:
        """A counter over all workers."""
        return float(self._table[:, self._names[name]].sum())

    def quantile(self, route: str, share: float) -> float | None:
        """Upper end of the bucket that a share of the requests of a route lies in, in seconds; None where there were none."""
        start = self._starts[route] + len(STATUSES)
        counts = self._table[:, start : start + len(BUCKETS) + 1].sum(axis=0)
        if not counts.sum():
            return None
        at = int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
        return BUCKETS[min(at, len(BUCKETS) - 1)]

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Everything in the text format of Prometheus, with gauges {name: (help, value)}."""
        sums = self._table.sum(axis=0)
        lines: list[str] = []
        for name, text in COUNTERS.items():
            lines += [f"# HELP minirec_{name}_total {text}", f"# TYPE minirec_{name}_total counter"]
            lines.append(f"minirec_{name}_total {sums[self._names[name]]:.0f}")
        for name, (text, value) in gauges.items():
            lines += [f"# HELP minirec_{name} {text}", f"# TYPE minirec_{name} gauge", f"minirec_{name} {value:.17g}"]
        lines += ["# HELP minirec_requests_total requests", "# TYPE minirec_requests_total counter"]
        for route, start in self._starts.items():
            for at, status in enumerate(STATUSES):
                lines.append(f'minirec_requests_total{{route="{route}",status="{status}"}} {sums[start + at]:.0f}')
        lines += ["# HELP minirec_request_seconds time to answer", "# TYPE minirec_request_seconds histogram"]
        for route, start in self._starts.items():
            counts = np.cumsum(sums[start + len(STATUSES) : start + self._width - 1])
            for limit, count in zip((*map(str, BUCKETS), "+Inf"), counts.tolist(), strict=True):
                lines.append(f'minirec_request_seconds_bucket{{route="{route}",le="{limit}"}} {count:.0f}')
            lines.append(f'minirec_request_seconds_sum{{route="{route}"}} {sums[start + self._width - 1]:.6f}')
            lines.append(f'minirec_request_seconds_count{{route="{route}"}} {counts[-1]:.0f}')
        return "\n".join(lines) + "\n"
