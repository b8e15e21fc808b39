"""The service as a process: who may ask, how much, and how it stands and falls."""
