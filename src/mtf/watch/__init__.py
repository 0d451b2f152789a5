"""`mtf watch`: crawls again what is due, brings the data set up to date, and commits what changed.

`run` has the steps. `clone` keeps them away from the project until the commit is made. `run_changes` counts what
changed.
"""
