"""Records as compressed blocks in files: the form of such a file, and how single records are read out of it."""
