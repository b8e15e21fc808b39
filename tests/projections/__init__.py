"""What is shown, and the views that it is shown from."""
