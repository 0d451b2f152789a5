"""The stages of dvc.yaml, one module each: read tables, call a room, write tables and metrics.

Each has `run(workspace, params)`. Stages that work identity by identity keep one shard per identity and leave
those alone whose digest still holds (`mtf.pipeline.incremental`).
"""
