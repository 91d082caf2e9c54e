"""HTTP in, use cases, JSON or HTML out."""
