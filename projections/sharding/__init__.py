"""Views of a set of ledgers: one database of all its subjects, from the ledgers of each."""
