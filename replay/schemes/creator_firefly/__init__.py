"""The Firefly levels of creators, replayed: one by one, and many over columns."""
