"""The views of creators' levels."""
