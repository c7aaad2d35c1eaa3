"""Content in, vectors out: texts, pictures, sounds, and embeddings that somebody else has made."""

from .base import Extractor, TextExtractor, add_content, joined, normalized, present
from .cache import Cached, cached
from .fuse import Fuse
from .tfidf_lsa import TfidfLSA
from .whitening import Whitening, whiten

__all__ = [
    "Cached",
    "Extractor",
    "Fuse",
    "TextExtractor",
    "TfidfLSA",
    "Whitening",
    "add_content",
    "cached",
    "joined",
    "normalized",
    "present",
    "whiten",
]
