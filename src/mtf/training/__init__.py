"""Training and evaluation on the crops: input pictures, networks, recipes, training loop, metrics, papers' tables.

Modules that need torch are imported by the stage that trains or evaluates, never by the command line's `--help`.
"""
