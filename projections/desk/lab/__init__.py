"""What the desk shows of the lab: the report of a trial as a document."""
