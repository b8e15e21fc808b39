"""Records that leave a store for segments in files."""
