"""Pooled stores, views and cached replays for requests, within bounds."""
