"""Commands that try policies."""
