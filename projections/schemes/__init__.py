"""How the views of each scheme are moved, a room a scheme."""
