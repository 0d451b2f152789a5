"""Duties as documents: files that a law, a standard or an ethics board asks for, written from the project's tables.

Each sentence names the tables that it is computed from. What only people know stands in `data/card.yaml`, under
`duties`; a question that neither answers is listed as unanswered.
"""
