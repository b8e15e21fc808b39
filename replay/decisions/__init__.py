"""Levels that were fixed: decided, audited, disputed; and the policies adopted for it."""
