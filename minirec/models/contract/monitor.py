"""What the outside hears of a fit, and how it can stop one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

Progress: TypeAlias = Callable[[int, int, dict[str, float]], object]  # (iterations done, of how many, record)
Callback: TypeAlias = Callable[[Any, dict[str, float]], object]  # (model, record); True stops the fit


class Monitor:
    """Records each iteration of a fit in `log`, reports it, and says whether to stop.

    judge : the figures of the model on validation events, as it is now. progress, callback : see `Recommender.fit`.
    """

    def __init__(
        self,
        log: list[dict[str, float]],
        judge: Callable[[], dict[str, float]] | None = None,
        progress: Progress | None = None,
        callback: Callable[[dict[str, float]], object] | None = None,
        checkpoint: str | Path | None = None,
    ) -> None:
        self._log, self._judge, self._progress, self._callback = log, judge, progress, callback
        self.checkpoint = checkpoint

    def step(self, done: int, total: int, **record: float) -> bool:
        """Report iteration `done` of `total` (from 1) with its figures; True: the callback wants to stop."""
        if self._judge is not None:
            record |= self._judge()
        entry = {"iteration": done, **record}
        self._log.append(entry)
        if self._progress is not None:
            self._progress(done, total, entry)
        return self._callback is not None and bool(self._callback(entry))
