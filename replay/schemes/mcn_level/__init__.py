"""Replaying the levels of agencies: one, or all in columns."""
