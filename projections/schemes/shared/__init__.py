"""What the views of several schemes are made with: rows from folded columns, and rows that replays give."""
