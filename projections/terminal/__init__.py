"""Terminals and pipes: streams of any encoding, tables, and how far long work has come."""
