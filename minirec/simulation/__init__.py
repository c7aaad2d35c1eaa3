"""What a recommender does to the tail over rounds of recommending, adopting and learning again."""

from .loop import Simulation, simulate
from .world import World, beta_world, world_of

__all__ = ["Simulation", "World", "beta_world", "simulate", "world_of"]
