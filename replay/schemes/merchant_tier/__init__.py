"""Replaying the tiers of merchants: one, or all in columns."""
