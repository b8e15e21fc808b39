"""Views of many subjects that are gone on with from what is stored, scheme by scheme."""
