"""FiftyOne loads a plugin from its folder; what this one does is in the package."""

from mtf.room.operators import register

__all__ = ["register"]
