"""The sample: drawn people, the small web that pictures them, and a simulated panel that reviews what is found.

Everything is made from a seed, dirt included, in known numbers (`kinds.DIRT`), so that the whole pipeline can be
run and tested on it. The people stand for nobody; their races are the names of four palettes.
"""
