"""Tests of replay/objects."""
