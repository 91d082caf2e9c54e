"""Maps of collections: their vectors drawn on a plane."""
