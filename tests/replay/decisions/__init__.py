"""Decisions, their audit and the appeal."""
