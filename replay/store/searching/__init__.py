"""Statements by which records are sought over all streams, some at a time: each says from where to where it looked."""
