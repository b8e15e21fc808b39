"""What a ledger takes, keeps and judges."""
