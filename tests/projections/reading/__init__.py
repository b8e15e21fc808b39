"""The answers of the service."""
