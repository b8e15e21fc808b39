"""Where records stand: on both databases, and how others set them up."""
