"""How the values of a replay are written in answers: instants as text, points with a decimal, clauses in words."""
