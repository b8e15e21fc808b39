"""The schemes that there are, and a room for the replays and folds of each."""
