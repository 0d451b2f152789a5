"""FiftyOne plugin of the review: the entry point that FiftyOne loads; its operators are in
`mtf.review_app.fiftyone`.
"""

from mtf.review_app.fiftyone.operators import register

__all__ = ["register"]
