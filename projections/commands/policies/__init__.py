"""Commands on policies: which there are, how one is adopted or tried, and their rules at a glance."""
