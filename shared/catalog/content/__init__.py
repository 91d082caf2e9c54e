"""What versions hold: documents, their metadata, what searches and maps read."""
