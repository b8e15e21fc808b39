"""Stores, views and replays lent to requests, within bounds."""
