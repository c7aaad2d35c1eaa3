"""The report: the page that a run ends with."""

from .contents import Page
from .page import render

__all__ = ["Page", "render"]
