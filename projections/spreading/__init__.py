"""A rebuild spread over processes or machines, written as Parquet."""
