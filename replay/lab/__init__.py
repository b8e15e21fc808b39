"""The lab: policies that nobody adopted, tried over the ledger's own history beside those that replays use."""
