"""What is shown of a replay, as plain values: where it stands, why, its history, what differs, boards."""
