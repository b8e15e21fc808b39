"""Statements over many streams: those that seek over all of them some at a time, and those with an index for it."""
