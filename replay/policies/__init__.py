"""The dated numbers of the rules: which count, and what is wrong with those from outside."""
