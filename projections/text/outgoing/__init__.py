"""What is said of what goes out to others."""
