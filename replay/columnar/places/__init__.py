"""Where segments lie: in a folder, or in storage of objects."""
