"""What wraps models and lists for the long tail: blends, adjustments, re-ranking."""

from . import rerank as rerank
