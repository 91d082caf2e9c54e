"""Find documents: snapshots that follow the versions, queries in batches, measured recall."""
