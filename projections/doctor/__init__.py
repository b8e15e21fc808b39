"""What keeps an installation from running: each part looked at by itself. Nothing is written."""
