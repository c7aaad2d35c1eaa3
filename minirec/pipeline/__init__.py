"""The main job: read -> clean -> split -> search -> choose -> evaluate -> recommend -> report, into one folder."""

from .candidates import DEFAULT_MODELS
from .choice import Choice, Verdict, choose
from .main import run
from .records import Run
from .source import read_source
from .watch import Watch

__all__ = ["DEFAULT_MODELS", "Choice", "Run", "Verdict", "Watch", "choose", "read_source", "run"]
