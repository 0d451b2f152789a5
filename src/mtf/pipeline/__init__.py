"""Stages of dvc.yaml, one module each: they read tables, call a package, and write tables and metrics.

Each module has `run(workspace, params)`. Stages that work identity by identity keep one shard per identity, and make
only shards again whose digest has changed (`mtf.pipeline.incremental`).
"""
