"""What a store promises, whichever database it lies in."""
