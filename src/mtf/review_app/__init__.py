"""Review app: each reviewer's queue of faces, shown in FiftyOne or in a terminal.

All decisions are in the ledger (`mtf.annotation`); everything else here can be deleted and is built again from the
ledger and the tables.
"""
