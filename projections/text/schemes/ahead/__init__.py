"""What comes next of a level and what it takes, as commands and pages tell it: a module a scheme, and the registry."""
