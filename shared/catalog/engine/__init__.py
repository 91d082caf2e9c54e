"""The database itself: transactions, clock, dialects, migrations."""
