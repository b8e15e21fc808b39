"""The views of merchants' tiers."""
