"""Work that waits: how much may, how long it will, and why it does."""
