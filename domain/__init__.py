"""What may happen and what the rules say: pure, integers only, no I/O and no clock."""
