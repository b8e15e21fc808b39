"""The bodies of the commands: arguments, one call, one printer."""
