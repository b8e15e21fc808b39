"""Sets of ledgers: made, recorded into, looked at, read as one."""
