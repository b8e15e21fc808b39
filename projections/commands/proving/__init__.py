"""The bodies of the commands that sign, witness and prove."""
