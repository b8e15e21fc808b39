"""Commands of sets of ledgers."""
