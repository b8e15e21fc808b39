"""The views as files for others: Parquet or CSV of one moment, and a manifest that is switched last."""
