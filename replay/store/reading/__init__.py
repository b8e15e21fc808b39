"""How records are asked of a store: of its database, and of what has left it by notes of where that stands."""
