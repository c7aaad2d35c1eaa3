"""The report: the page that a run ends with."""

from .contents import Candidate, Chunk, Column, Contents, Example, Figure, ModelRow, Part, Recommended
from .gather import REFERENCES, Outcome, gather
from .page import render

__all__ = [
    "REFERENCES", "Candidate", "Chunk", "Column", "Contents", "Example", "Figure", "ModelRow", "Outcome", "Part", "Recommended", "gather",
    "render",
]  # fmt: skip
