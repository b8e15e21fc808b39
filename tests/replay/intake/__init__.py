"""Whole files: counts, acknowledgements, backfills."""
