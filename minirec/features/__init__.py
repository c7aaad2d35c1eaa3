"""Content in, vectors out: texts, pictures, sounds, and embeddings that somebody else has made."""

from .base import Extractor, TextExtractor, add_content, joined, normalized, present
from .cache import Cached, cached

__all__ = ["Cached", "Extractor", "TextExtractor", "add_content", "cached", "joined", "normalized", "present"]
