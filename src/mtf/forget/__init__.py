"""Erasure from any DVC repository: one content goes from the cache, all remotes and so from every version.

Knows nothing of faces, and needs DVC, PyYAML and numpy alone. `command` is the program `dvc-forget`; `forget_plan` and
`forgetting` plan and carry out an erasure; `history` finds what every version has; `object_store` and `store_erasure`
erase it.
"""
