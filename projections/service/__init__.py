"""The service: levels, explanations and changes over HTTP, for reading alone."""
