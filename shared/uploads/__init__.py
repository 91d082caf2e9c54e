"""Files people bring: taken in, parsed into documents by a worker, let go of in the end."""
