"""Records as columns of integers, sealed in segments, and what compiled loops need."""
