"""Faces: detection, alignment, crops, measures, embeddings and duplicates."""
