"""The routes of the API under /v1, and their description."""
