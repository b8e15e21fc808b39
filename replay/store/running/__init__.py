"""What runs beside and below a store: which rights processes hold on it, and what the database itself is."""
