"""Files: accepted, parsed, kept."""
