"""What keeps an installation: what lies beside a ledger, and how one of an earlier version is brought up to date."""
