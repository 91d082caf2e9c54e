"""Collections, their spaces, their names."""
