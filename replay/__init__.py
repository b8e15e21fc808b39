"""The recorded past: write it once, read it on two clocks, explain it."""
