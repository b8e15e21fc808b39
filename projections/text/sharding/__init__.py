"""What is said of sets of ledgers."""
