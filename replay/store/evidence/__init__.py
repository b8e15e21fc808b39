"""What is kept of a ledger for evidence: hashes of its log tree, heads of its keys, its seals and checkpoints."""
