"""Which events a moment of the two clocks takes in."""
