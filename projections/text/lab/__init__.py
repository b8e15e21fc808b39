"""What is printed of what could be: trials of policies, what if, and ways to the next level."""
