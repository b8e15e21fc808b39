"""The Firefly levels of creators: the rule, what it reads, its policies and clauses."""
