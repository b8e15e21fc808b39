"""The rules alone, without a ledger."""
