"""What several schemes share: exact fractions against thresholds."""
