"""The process: a socket, workers, upkeep beside the answers, and an end without a lost event."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MinirecError, MissingExtraError, ParameterError
from .journal import Journal
from .keys import Keys, Rates
from .metrics import Metrics
from .service import Service
from .store import EventStore

if TYPE_CHECKING:
    from uvicorn import Server

_FLUSH, _LOOK = 0.2, 2.0  # seconds between hand-overs of lists to the log, and between looks for a new model


@dataclass(frozen=True)
class Settings:
    """How to serve. refit_every : seconds between refits; refit_drift : events since the last fit, as a share of those before."""

    model: str
    items: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    keys: str | None = None
    rate: float = 0.0
    log_all: bool = False
    kind_weights: Mapping[str, float] | None = None
    refit_every: float | None = None
    refit_drift: float | None = None
    grace: float = 10.0


def serve(settings: Settings, open_store: Callable[[], EventStore], store_argument: str, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; what was begun is finished, what is queued is written."""
    try:
        import uvicorn

        from . import app  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "live", "minirec serve") from None
    keys = Keys.read(settings.keys)
    local = _is_loopback(settings.host)
    if not len(keys) and not local:
        raise ParameterError(
            f"--host {settings.host} is reachable from other machines, and no key is configured: give --keys FILE, or set MINIREC_KEY"
        )
    with _bound(settings.host, settings.port) as listening:
        host, port = listening.getsockname()[:2]
        where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        access = (
            f"writes need a key ({len(keys)} configured)"
            if len(keys)
            else "no key is configured, so writes are open to every program on this machine"
        )
        say(f"minirec serves {settings.model} at {where}: {access}")
        from .app import ROUTES

        metrics = Metrics(tuple(ROUTES), settings.workers)
        run = _Worker(settings, open_store, store_argument, keys, metrics, listening, uvicorn)
        if settings.workers == 1:
            run(0, None)
        else:
            _supervise(settings.workers, run)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _bound(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(1024)
        listening.set_inheritable(True)
    except (OSError, OverflowError) as error:
        listening.close()
        raise ParameterError(f"cannot listen at {host}:{port}: {getattr(error, 'strerror', None) or error}") from None
    return listening


class _Worker:
    """What each worker runs: a service of its own on the shared socket."""

    def __init__(
        self, settings: Settings, open_store: Callable[[], EventStore], store_argument: str, keys: Keys, metrics: Metrics,
        listening: socket.socket, uvicorn: Any,
    ) -> None:  # fmt: skip
        self.settings, self.open_store, self.store_argument = settings, open_store, store_argument
        self.keys, self.metrics, self.listening, self.uvicorn = keys, metrics, listening, uvicorn

    def __call__(self, number: int, parent: int | None) -> None:
        from .app import make_app

        settings = self.settings
        self.metrics.of_worker(number)
        journal = Journal(every=settings.log_all)
        with self.open_store() as store:
            service = Service(store, settings.model, settings.items, settings.kind_weights)
            app = make_app(service, keys=self.keys, rates=Rates(settings.rate / settings.workers), metrics=self.metrics, journal=journal)
            config = self.uvicorn.Config(
                app, access_log=False, log_level="warning", server_header=False, date_header=False, lifespan="off",
                timeout_graceful_shutdown=int(settings.grace), timeout_keep_alive=30, limit_concurrency=2000, backlog=1024,
            )  # fmt: skip
            server = self.uvicorn.Server(config)
            if parent is not None:
                threading.Thread(target=_end_with, args=(parent, server), daemon=True).start()
            upkeep = Upkeep(service, self.metrics, journal, settings, self.store_argument, refits=number == 0)
            for name in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again at its end, and there is still something to write
                signal.signal(name, lambda *_: None)
            journal.write("start", worker=number, model=service.current.name, events=service.seq)
            try:
                asyncio.run(upkeep.around(server.serve([self.listening])))
            finally:
                service.flush()
                journal.write("stop", worker=number)


def _end_with(pipe: int, server: Server) -> None:
    """End the worker when the supervisor is gone, however it went."""
    os.read(pipe, 1)
    server.should_exit = True


def _supervise(workers: int, run: _Worker) -> None:
    """Fork workers, and again those that die; SIGTERM and SIGINT end all of them."""
    reading, writing = os.pipe()
    alive: dict[int, int] = {}
    stopping = False

    def start(number: int) -> None:
        child = os.fork()
        if child:
            alive[child] = number
            return
        code = 1
        try:
            os.close(writing)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            run(number, reading)
            code = 0
        except MinirecError as error:
            sys.stderr.write(f"minirec: error: {error}\n")
        finally:
            os._exit(code)

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        for child in list(alive):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for number in range(workers):
        start(number)
    failures = 0
    while alive:
        child, status = os.wait()
        number = alive.pop(child)
        if not stopping:
            failures += os.waitstatus_to_exitcode(status) == 1
            if failures > 2 * workers:
                stop()
                continue
            start(number)


class Upkeep:
    """Beside the answers: lists go to the log, a new model file is taken, and a new model is fitted on schedule or drift."""

    def __init__(
        self, service: Service, metrics: Metrics, journal: Journal, settings: Settings, store_argument: str, *, refits: bool
    ) -> None:
        self.service, self.metrics, self.journal, self.settings = service, metrics, journal, settings
        self._store_argument = store_argument
        self._refits = refits and (settings.refit_every is not None or settings.refit_drift is not None)
        self._fitted_at, self._fitted_seq = service.store.now(), service.seq
        self._fitting: subprocess.Popen[bytes] | None = None
        self._lost = 0

    async def around(self, serving: Any) -> None:
        """Run beside the server until it ends."""
        tasks = [asyncio.ensure_future(self._flushing()), asyncio.ensure_future(self._looking())]
        try:
            await serving
        finally:
            for task in tasks:
                task.cancel()
            if self._fitting is not None:
                self._fitting.terminate()

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH)
            self.service.flush()
            lost = self.service.lists_lost
            if lost > self._lost:
                self.metrics.add("lists_lost", lost - self._lost)
                self.journal.write("lists not logged", "error", lists=lost - self._lost)
                self._lost = lost

    async def _looking(self) -> None:
        setbacks = 0
        while True:
            await asyncio.sleep(_LOOK)
            if self.service.store.clock_setbacks > setbacks:
                self.metrics.add("clock_setbacks", self.service.store.clock_setbacks - setbacks)
                setbacks = self.service.store.clock_setbacks
                self.journal.write("the clock of the machine was set back; times go on from the latest that was told", "warning")
            try:
                if await asyncio.get_running_loop().run_in_executor(None, self.service.reload):
                    self.metrics.add("model_reloads")
                    self.journal.write("model", name=self.service.current.name)
                self.service.refresh()
                if self._refits:
                    self._refit()
            except (MinirecError, OSError) as error:
                self.journal.write("model not taken", "error", error=str(error))

    def _refit(self) -> None:
        """Start a fit in a process of its own where it is due; the file that it writes is taken by the next look."""
        if self._fitting is not None:
            code = self._fitting.poll()
            if code is not None:
                self._fitting = None
                self.journal.write("refit", "info" if code == 0 else "error", code=code)
            return
        due = self.settings.refit_every is not None and self.service.store.now() - self._fitted_at >= self.settings.refit_every
        since = self.service.seq - self._fitted_seq
        if self.settings.refit_drift is not None and since >= self.settings.refit_drift * max(self._fitted_seq, 1):
            due = True
        if not due or not since:
            return
        self._fitted_at, self._fitted_seq = self.service.store.now(), self.service.seq
        weights = json.dumps(dict(self.settings.kind_weights or {}))
        self._fitting = subprocess.Popen(
            [sys.executable, "-m", "minirec.live.refit", self._store_argument, self.settings.model, weights], stdin=subprocess.DEVNULL
        )


def file_of(model: str) -> Path:
    """The model file; ParameterError where there is none."""
    path = Path(model)
    if not path.is_file():
        raise ParameterError(f"there is no model file {model}: `minirec fit events.csv --model als --out {model}` makes one")
    return path
