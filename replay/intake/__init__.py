"""A run of `ingest` over many files: live or a backfill, a trial or for good."""
