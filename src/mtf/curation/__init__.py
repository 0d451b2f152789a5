"""Curation: the funnel from all faces to the data set, and the split into train, val and test."""
