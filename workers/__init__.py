"""Bells in, use cases, index out."""
