# mypy: disable-error-code="import-not-found,import-untyped"
"""Implicit ALS: seconds an iteration with the same solver, and seconds to the same quality.

minirec and irspack minimise the loss of Rendle et al. (2022) with the same settings. implicit and rusket have the loss of Hu et al.
(2008), where the confidence of an event is 1 / alpha0, and a penalty of their own. The settings of each data set are the best of a
small grid (alpha0 .3 to .001, lambda .001 to .03, Hu's lambda 1 to 150) after 6 iterations, 64 factors, on a tenth of train held out.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..job import Job, factors
from ..task import Goal, Task
from .common import dataset, on_lap


class Settings(NamedTuple):
    """alpha0 and lambda of Rendle et al., and the constant lambda that goes with Hu's loss."""

    alpha0: float
    regularization: float
    hu_regularization: float


SETTINGS = {"ml-1m": Settings(0.1, 0.01, 50.0), "gowalla": Settings(0.01, 0.01, 100.0)}
SYNTHETIC = Settings(0.1, 0.003, 150.0)
PER_ITERATION, TO_QUALITY = 4, 12  # iterations of a run
CG_STEPS = 3
DATA = ("ml-1m", "gowalla", "syn5m")


def _settings(job: Job) -> Settings:
    return SETTINGS.get(job.folder.name, SYNTHETIC)


def minirec(job: Job, d: int, solver: str, iterations: int) -> None:
    from minirec import ALS

    train, chosen = dataset(job.train), _settings(job)
    model = ALS(factors=d, solver=solver, iterations=iterations, alpha0=chosen.alpha0, regularization=chosen.regularization, seed=0)
    job.start()
    model.fit(train, callback=on_lap(job))


def irspack(job: Job, d: int, solver: str, iterations: int) -> None:
    from irspack import IALSRecommender

    kind = {"cg": "CG", "cholesky": "CHOLESKY", "block": "IALSPP"}[solver]
    chosen = _settings(job)
    settings = {"n_components": d, "solver_type": kind, "max_cg_steps": CG_STEPS, "n_threads": job.threads}
    model = IALSRecommender(job.train, alpha0=chosen.alpha0, reg=chosen.regularization, nu=1.0, **settings)
    job.start()
    model.start_learning()
    for _ in range(iterations):
        model.run_epoch()
        job.lap(lambda: factors(model.trainer.core_trainer.user, model.trainer.core_trainer.item)())


def implicit(job: Job, d: int, solver: str, iterations: int) -> None:
    from implicit.cpu.als import AlternatingLeastSquares

    chosen = _settings(job)
    model = AlternatingLeastSquares(
        factors=d, regularization=chosen.hu_regularization, alpha=1 / chosen.alpha0, iterations=iterations, use_cg=solver == "cg",
        num_threads=job.threads, random_state=0,
    )  # fmt: skip
    train = job.train
    job.start()
    model.fit(
        train, show_progress=False, callback=lambda *_: job.lap(lambda: factors(model.user_factors[:, :d], model.item_factors[:, :d])())
    )


def rusket(job: Job, d: int, solver: str, iterations: int) -> None:
    """It has no callback: one fit from scratch for each number of iterations."""
    from rusket import ALS

    chosen = _settings(job)
    for n in range(1, iterations + 1):
        model = ALS(
            factors=d,
            regularization=chosen.hu_regularization,
            alpha=1 / chosen.alpha0,
            iterations=n,
            cg_iters=CG_STEPS,
            use_cholesky=solver == "cholesky",
        )
        job.start()
        model.fit(job.train)
        job.lap(factors(model.user_factors, model.item_factors))


def _sides(d: int, solver: str, iterations: int) -> dict[str, partial[None]]:
    peers = {"irspack": irspack, "implicit": implicit, "rusket": rusket}
    if solver == "block":
        peers = {"irspack": irspack}
    sides = {"minirec": minirec} | peers | ({"minirec-numpy": minirec} if d == 64 else {})
    return {name: partial(side, d=d, solver=solver, iterations=iterations) for name, side in sides.items()}


TASKS = [
    *(
        Task(f"ials-{solver}-{d}", f"iALS, {label}, {d} factors", DATA, _sides(d, solver, PER_ITERATION), "iteration")
        for solver, label in (("cg", f"{CG_STEPS} CG steps"), ("cholesky", "Cholesky"), ("block", "block solver (iALS++)"))
        for d in (64, 128)
    ),
    *(
        Task(
            f"ials-quality-{d}",
            f"iALS, {d} factors, until NDCG@10 is 99 % of the best of both",
            DATA,
            _sides(d, "cg", TO_QUALITY),
            "run",
            goal=Goal("ndcg@10", share=0.99),
        )
        for d in (64, 128)
    ),
]
