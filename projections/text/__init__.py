"""Answers as text for people, in English and Chinese, or as JSON."""
