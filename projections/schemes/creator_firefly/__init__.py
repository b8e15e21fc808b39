"""The views of creators' Firefly levels."""
