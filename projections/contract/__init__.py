"""What the keys of answers and the fields of events mean, as schemas."""
