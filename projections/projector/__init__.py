"""Moving views on, building them anew, and proving them against replays."""
