"""The same lines as those of rows, made a column at a time with Arrow; whatever is unusual is left to the rows."""
