"""The processes that answer: the application, its guard, signing in, probes and metrics."""
