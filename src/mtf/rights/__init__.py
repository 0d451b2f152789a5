"""Licenses: spellings and terms, evidence, the project's policy, and audits against it."""
