"""What only one scheme's answer says, as text: a module a scheme, and the registry that gathers them."""
