"""Learning from the crops: inputs, networks, recipes, training, metrics.

Modules that need torch are imported by the stage that trains or evaluates, never by the command line's `--help`.
"""
