"""Every table of the pages as a file: the rows that it is made of, exact, and the form in which they are sent."""
