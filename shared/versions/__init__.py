"""Versions as users meet them: name, describe, compare, restore, hold."""
