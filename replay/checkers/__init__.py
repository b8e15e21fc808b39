"""Programs for whoever gets evidence and has no Levelbook: files written beside it, and none of the product's modules.

They are written from docs/reference/evidence.md alone, and share nothing with `replay/evidence`.
"""
