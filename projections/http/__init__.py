"""What every route shares: parameters, problems, tokens and scopes, settings."""
