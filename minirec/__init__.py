"""minirec: a recommender engine for the long tail."""

__version__ = "0.1.0"

from .options import options, options_in_force

__all__ = ["options", "options_in_force"]
