"""From all faces to the data set: the funnel, step by step, and the division into train, val and test."""
