"""What an auditor has to look at, out of the views: what came out otherwise, changed or stands still, and how many."""
