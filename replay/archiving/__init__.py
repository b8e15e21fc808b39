"""Archiving: records that a seal is over leave the store for compressed segments in files."""
