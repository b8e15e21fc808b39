"""Storage of objects: its URLs and what of them may be shown, and what lies there, through Arrow."""
