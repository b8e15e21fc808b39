"""The twenty reputation grades of merchants: the rule, the facts it reads, and the account of months."""
