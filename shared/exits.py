"""The exit codes of Lamina's own processes that mean something."""

CONFIGURATION = 2
"""A setting is wrong, or the catalog is too new: starting again does not help."""

HANGING = 86
"""Its encoder hung: what it was encoding is suspected."""
