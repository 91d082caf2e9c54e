"""How changes are accepted: from a submission to revisions that wait."""
