"""The review room: who still has to look at what, in which order, on a screen or a terminal.

The ledger (`mtf.annotation`) remembers; everything here may be thrown away and built again from it and the tables.
"""
