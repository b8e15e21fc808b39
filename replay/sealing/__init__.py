"""Seals and checkpoints: how many records each key has, sealed in the ledger and signed, and the proofs of it."""
