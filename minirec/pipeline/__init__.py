"""The main job: read -> clean -> split -> fit -> choose -> evaluate -> recommend -> report, into one folder."""

from .job import DEFAULT_MODELS, Run, read_source, run
from .steps import Watch, choose

__all__ = ["DEFAULT_MODELS", "Run", "Watch", "choose", "read_source", "run"]
