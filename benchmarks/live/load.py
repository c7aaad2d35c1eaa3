"""Load on a running service: lists and events at once, by a generator on this machine whose own share is told.

    python -m benchmarks.live.load --url http://127.0.0.1:8000 --users 6000 --seconds 60 --pid PID

One process of the generator asks for lists over kept connections, at a fixed rate (open loop: a late answer does not delay the next
request, and its time counts from when it was due), another sends batches of events. Written down: answers a second, quantiles of the
time to answer, acknowledged events a second, seconds of CPU of the service and of the generator, memory at the begin and the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import sys
import time
from multiprocessing import Process, Queue
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TICKS = os.sysconf("SC_CLK_TCK")


class Connection:
    """One kept connection that speaks just enough HTTP/1.1."""

    def __init__(self, host: str, port: int) -> None:
        self._where = host, port

    async def open(self) -> None:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(*self._where)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; the status and the body of the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)


async def lists(host: str, port: int, rate: float, seconds: float, users: list[int], seed: int) -> dict[str, Any]:
    """GET /v1/recommend for random users, `rate` a second."""
    rng, free, times, failed = random.Random(seed), asyncio.Queue[Connection](), list[float](), 0
    for _ in range(64):
        connection = Connection(host, port)
        await connection.open()
        free.put_nowait(connection)

    async def one(due: float) -> None:
        nonlocal failed
        connection = await free.get()
        user = users[int(len(users) * rng.random() ** 2)]  # some come often
        status, _ = await connection.ask(f"GET /v1/recommend?user={user}&k=10 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        free.put_nowait(connection)
        times.append(time.perf_counter() - due)
        failed += status != 200

    tasks, start = set[asyncio.Task[None]](), time.perf_counter()
    for at in range(int(rate * seconds)):
        due = start + at / rate
        if due > time.perf_counter():
            await asyncio.sleep(due - time.perf_counter())
        task = asyncio.ensure_future(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.sleep(0.01)
    took = time.perf_counter() - start
    times.sort()
    quantiles = {f"p{share:g}_ms": round(1000 * times[int(share / 100 * (len(times) - 1))], 2) for share in (50, 90, 99, 99.9)}
    return {"lists": len(times), "lists_per_second": round(len(times) / took, 1), "failed": failed, **quantiles}


async def events(host: str, port: int, rate: float, batch: int, seconds: float, users: list[int], items: int, seed: int) -> dict[str, Any]:
    """POST /v1/events, batches of random events, `rate` events a second over 4 connections."""
    rng, start, acknowledged, times = random.Random(seed), time.perf_counter(), 0, list[float]()

    async def sender(number: int) -> None:
        nonlocal acknowledged
        connection = Connection(host, port)
        await connection.open()
        at = number
        while (due := start + at * batch / rate) < start + seconds:
            if due > time.perf_counter():
                await asyncio.sleep(due - time.perf_counter())
            body = json.dumps(
                [
                    {
                        "event_id": f"{seed}-{at}-{i}",
                        "user": users[int(len(users) * rng.random())],
                        "item": 1 + int(items * rng.random() ** 3),
                        "kind": "click",
                    }
                    for i in range(batch)
                ]
            ).encode()
            sent = time.perf_counter()
            status, answer = await connection.ask(
                f"POST /v1/events HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            times.append(time.perf_counter() - sent)
            acknowledged += len(json.loads(answer)["acknowledged"]) if status == 200 else 0
            at += 4

    await asyncio.gather(*(sender(number) for number in range(4)))
    times.sort()
    took = time.perf_counter() - start
    return {
        "events": acknowledged, "events_per_second": round(acknowledged / took, 1),
        "batch_p50_ms": round(1000 * times[len(times) // 2], 1), "batch_p99_ms": round(1000 * times[int(0.99 * (len(times) - 1))], 1),
    }  # fmt: skip


def _run(work: Any, out: Queue[Any], *arguments: Any) -> None:
    found = asyncio.run(work(*arguments))
    used = resource.getrusage(resource.RUSAGE_SELF)
    out.put({**found, "generator_cpu_s": round(used.ru_utime + used.ru_stime, 2)})


def usage(pids: list[int]) -> tuple[float, int]:
    """Seconds of CPU and bytes of memory of processes."""
    cpu, memory = 0.0, 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        cpu += (int(fields[11]) + int(fields[12])) / TICKS
        memory += int(fields[21]) * 4096
    return cpu, memory


def measure(
    url: str, users: int, items: int, seconds: float, rate: float, event_rate: float, batch: int, pids: list[int]
) -> dict[str, Any]:
    """Both kinds of load at once; the figures."""
    where = urlsplit(url)
    host, port, everybody = where.hostname or "127.0.0.1", where.port or 80, list(range(1, users + 1))
    before, memory_before = usage(pids) if pids else (0.0, 0)
    out: Queue[Any] = Queue()
    seed = int(time.time())
    work = [
        Process(target=_run, args=(lists, out, host, port, rate, seconds, everybody, seed)),
        Process(target=_run, args=(events, out, host, port, event_rate, batch, seconds, everybody, items, seed)),
    ]
    for process in work:
        process.start()
    found: dict[str, Any] = {"generator_cpu_s": 0.0, "seconds": seconds, "load_average": os.getloadavg()[0]}
    for _ in work:
        part = out.get()
        found["generator_cpu_s"] = round(found["generator_cpu_s"] + part.pop("generator_cpu_s"), 2)
        found |= part
    for process in work:
        process.join()
    if pids:
        after, memory_after = usage(pids)
        found |= {
            "service_cpu_s": round(after - before, 2), "service_cpu_ms_per_list": round(1000 * (after - before) / found["lists"], 3),
            "memory_before_mb": memory_before // 2**20, "memory_after_mb": memory_after // 2**20,
        }  # fmt: skip
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--users", type=int, default=6000, help="ids 1 to this")
    parser.add_argument("--items", type=int, default=3700, help="ids 1 to this")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=1000, help="lists a second")
    parser.add_argument("--events", type=float, default=5000, help="events a second")
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--pid", type=int, nargs="*", default=[], help="processes of the service")
    given = parser.parse_args()
    found = measure(given.url, given.users, given.items, given.seconds, given.rate, given.events, given.batch, given.pid)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
