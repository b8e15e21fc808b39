"""The views of agencies' levels."""
