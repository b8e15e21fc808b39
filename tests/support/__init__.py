"""What tests share: makers of events, ledgers, worlds, services."""
