"""The report: the page that a run ends with."""

from .content import ContentGain, ContentRun, Encoded, content_gain
from .contents import Candidate, Chunk, Column, Contents, Example, Figure, ModelRow, Part, Recommended
from .gather import REFERENCES, Outcome, gather
from .page import render

__all__ = [
    "REFERENCES",
    "Candidate",
    "Chunk",
    "Column",
    "ContentGain",
    "ContentRun",
    "Contents",
    "Encoded",
    "Example",
    "Figure",
    "ModelRow",
    "Outcome",
    "Part",
    "Recommended",
    "content_gain",
    "gather",
    "render",
]
