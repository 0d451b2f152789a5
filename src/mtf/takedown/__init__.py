"""Takedown: requests to remove a person or a picture, and its erasure from every version, with a receipt.

DVC has no way to delete one file from its cache, its remotes and its history. The erasure replaces each object that
holds an erased picture by a short note, a tombstone, in every store. Every old version can still be pulled, without
these bytes. Remotes get a tombstone also for objects that they lack, so that no older clone pushes them.

Modules, in the order of the work: `requests` (with `sent_pictures` and `local_versions`) writes a request down;
`scope_search` finds its scope; `affected_objects`, `originals` and `untracked` find the files; `plan`, `execution` and
`receipt` carry out the erasure; `manual_followups` names the steps that are left to people.
"""
