"""Processes of the review app: supervisor, MongoDB, ownership and the end of a session."""
