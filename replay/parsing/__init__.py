"""From the bytes of a line to a candidate for the ledger, or a refusal that says why."""
