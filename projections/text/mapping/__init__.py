"""What is printed of tables of others and the mapping files by which they are read."""
