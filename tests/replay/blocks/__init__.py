"""Record segments: their form, and how they are read."""
