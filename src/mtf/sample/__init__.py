"""Sample: drawn people, a small web with their pictures, and a simulated panel of reviewers.

Everything is made from a seed, so that the whole pipeline can be run and tested on it. The number of unusable and
unusual pictures is fixed (`finds.DIRT`). The people are invented; their races are the names of four palettes.
"""
