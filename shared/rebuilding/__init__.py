"""Cut or encode a collection otherwise, while it is searched and written."""
