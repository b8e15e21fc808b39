"""The levels V1 to V5 of agencies: the rule, and the facts it reads."""
