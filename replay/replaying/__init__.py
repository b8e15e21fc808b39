"""What the replays of all schemes share."""
