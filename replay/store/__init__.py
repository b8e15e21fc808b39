"""Where the records of one ledger are kept, in SQLite or PostgreSQL, and how they are opened and read."""
