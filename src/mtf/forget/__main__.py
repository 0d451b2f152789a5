"""`python -m mtf.forget`: the same as `dvc-forget`."""

from mtf.forget.command import run

run()
