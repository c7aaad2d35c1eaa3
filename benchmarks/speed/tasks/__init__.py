"""All tasks, by name. Importing them imports neither a peer nor minirec: each side does that for itself."""

from __future__ import annotations

from ..task import Task
from . import (
    autoencoder,
    encoder,
    evaluation,
    graph,
    growth,
    ials,
    linear,
    neighbors,
    one_user,
    pairs,
    ratings,
    reading,
    sampled,
    sequence,
    topk,
)

TASKS: dict[str, Task] = {
    task.name: task
    for room in (
        ials,
        sampled,
        graph,
        pairs,
        autoencoder,
        sequence,
        ratings,
        neighbors,
        linear,
        topk,
        one_user,
        reading,
        evaluation,
        encoder,
    )
    for task in room.TASKS
}
_OTHER = {task.name: task for task in (one_user.AT_ONCE, *growth.GROWTH)}  # of the commands latency and scaling


def find(name: str) -> Task:
    """The task of a name."""
    return TASKS[name] if name in TASKS else _OTHER[name]
