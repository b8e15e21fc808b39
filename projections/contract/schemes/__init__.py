"""What only one scheme's answers hold: a module a scheme, and the registry that gathers them."""
