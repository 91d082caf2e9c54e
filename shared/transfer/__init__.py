"""In and out: archives of a collection, data of other programs, backups of everything."""
