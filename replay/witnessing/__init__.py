"""Witnesses: who cosigns the checkpoints of a ledger, having seen that it only grows, or recomputed what they say."""
