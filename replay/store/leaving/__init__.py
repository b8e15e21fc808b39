"""Records whose bytes leave a store: what is written of their segments, and how the bytes go."""
