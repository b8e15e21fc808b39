"""Exports hold what the views show, whatever ends them."""
