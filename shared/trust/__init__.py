"""Why the index can be trusted: check, quarantine, repair, purge."""
