"""What the answers about every scheme are made of: keys, the words that they may hold, explanations, changes."""
