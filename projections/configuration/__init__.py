"""What the program may be set to, in `levelbook.toml` and the environment, and which of these counts."""
