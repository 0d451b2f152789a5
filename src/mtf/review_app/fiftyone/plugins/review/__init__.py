"""FiftyOne loads a plugin from its folder; what this one does is in the package."""

from mtf.review_app.fiftyone.operators import register

__all__ = ["register"]
