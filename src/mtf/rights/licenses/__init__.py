"""Licenses: identifiers, spellings, terms, and their compatibility with a release."""
