"""Whether a ledger is what was recorded: verified, its aliases checked, backed up."""
