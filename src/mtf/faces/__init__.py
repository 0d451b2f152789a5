"""Detect faces, cut them out, measure them, and group duplicates."""
