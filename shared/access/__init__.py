"""Who may do what: keys, and the record of administrative acts."""
