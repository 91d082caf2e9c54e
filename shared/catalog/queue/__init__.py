"""How revisions are worked on: claims under a lease, in a fair order."""
