"""The house itself: its rooms, its documents, its errors, and that a scheme is a unit."""
