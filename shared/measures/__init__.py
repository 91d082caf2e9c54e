"""What Lamina measures of itself: the instruments, and the counts on their way to the catalog."""
