"""Views hold what replays give, however they came about."""
