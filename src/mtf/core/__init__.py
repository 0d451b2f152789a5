"""Foundations: errors, files, shards, CSV, digests, URLs, project paths, git and DVC. Imports no other package."""
