"""Everything at once: kills, failures, real histories, readable cases."""
