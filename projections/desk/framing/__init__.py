"""What every page of the desk is made in: its language, its addresses, what is asked of it, and its templates."""
