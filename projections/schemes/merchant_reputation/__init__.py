"""The views of merchants' reputation."""
