"""Each scheme replayed: against its oracle, by laws, plain and compiled."""
