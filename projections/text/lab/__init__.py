"""What is printed of the lab: trials of policies."""
