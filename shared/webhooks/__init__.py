"""Tell other programs what happened."""
