"""`./run bench index`: what publishing, merging, opening and searching cost as an index grows."""
