"""Evidence: a file with all that a replay of one subject reads, and the proof that nothing of it was left out."""
