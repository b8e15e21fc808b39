"""Lists as CSV and Parquet on standard output: what the service gives, and what commands alone give."""
