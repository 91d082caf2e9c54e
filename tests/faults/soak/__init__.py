"""Hours of mixed load under faults, and what came of it: `./run soak --minutes N`."""
