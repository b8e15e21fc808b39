"""What verify, backups and examinations find and leave as it is."""
