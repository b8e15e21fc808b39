"""How records leave a store: into which segments, how their rows go once it is noted where they stand, and aliases."""
