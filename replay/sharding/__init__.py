"""Several ledgers that together are a set: each takes the subjects of its buckets, and all are read as one."""
