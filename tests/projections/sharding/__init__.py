"""Views of a set of ledgers."""
