"""Opt-out signals of rights holders: robots.txt, headers, TDMRep, AIPREF, RSL and ai.txt."""
