"""How records leave a store: into which segments, and how their rows go once it is noted where they stand."""
