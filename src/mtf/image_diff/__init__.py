"""Differences of images between two versions: the page that shows them, and the command `dvc-image-diff`.

Knows nothing of faces, and needs DVC, Jinja, Pillow and PyYAML alone. `page` is also the page of `mtf diff --html`.
"""
