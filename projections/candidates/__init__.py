"""Builds by candidate policies beside the live one: nothing is adopted or switched, and services do not read them."""
