"""What is said of topics that are consumed."""
