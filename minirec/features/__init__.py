"""Content in, vectors out: texts, pictures, sounds, and embeddings that somebody else has made."""

from .audio import AudioFeatures
from .base import Extractor, TextExtractor, add_content, joined, normalized, present
from .cache import Cached, cached
from .fuse import Fuse
from .image import ImageFeatures
from .language_model import LanguageModel
from .precomputed import Precomputed
from .static import StaticEmbedding
from .tfidf_lsa import TfidfLSA
from .whitening import Whitening, whiten

__all__ = [
    "AudioFeatures",
    "Cached",
    "Extractor",
    "Fuse",
    "ImageFeatures",
    "LanguageModel",
    "Precomputed",
    "StaticEmbedding",
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
