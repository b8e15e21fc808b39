"""The tables of a store, their guards, and what stands in a database against what must stand there."""
