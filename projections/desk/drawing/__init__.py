"""A level over time: what there is to see, its places on a drawing, and letters that draw it."""
