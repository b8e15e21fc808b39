"""What could be: events that did not happen, laid over a replay in memory, and ways to a level that are proved."""
