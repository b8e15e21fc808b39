"""Output on terminals and in pipes."""
