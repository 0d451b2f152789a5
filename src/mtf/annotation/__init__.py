"""Decisions of reviewers: the ledger, their consensus and their agreement."""
