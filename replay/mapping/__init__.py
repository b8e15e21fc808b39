"""Rows of tables as others keep them → lines of events, by a mapping file in which there is no code."""
