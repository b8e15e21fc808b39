"""Commands that read tables of others by a mapping file."""
