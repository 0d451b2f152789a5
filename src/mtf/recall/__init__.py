"""Recall: find and remove withdrawn pictures in any copy of a release."""
