"""Appending to the ledger: one transaction that stamps, numbers and links records."""
