"""The prefix of a ledger that was known at a moment, and what stands in it."""
