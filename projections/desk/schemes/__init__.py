"""What the pages show of one scheme alone: a module a scheme, and the registry that gathers them.

The parts of pages that only one scheme has are templates, in `templates/schemes/`; a scheme's module names its own.
"""
