"""What goes on by itself: lost claims, merges and re-laying, retention, garbage, room on disk."""
