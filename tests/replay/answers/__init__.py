"""The answers made of a replay."""
