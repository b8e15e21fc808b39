"""The levels L0 to L7 of creators: the rule, and the facts it reads."""
