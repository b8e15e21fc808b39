"""The audit desk, as it is sent and as a browser shows it."""
