"""Replaying the levels of creators: one, or all in columns."""
