"""Replaying the reputation of merchants: one, or all in columns."""
