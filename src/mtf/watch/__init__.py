"""`mtf watch`: one run of a data set that lives: what is due is crawled again, and one commit says what changed.

`clone` keeps a run away from the project until it is whole; `run` has its steps; `week` says what changed.
"""
