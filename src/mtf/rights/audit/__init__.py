"""Audits of the pictures against the license policy: checks, findings, and the report."""
