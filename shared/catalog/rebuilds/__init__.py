"""A second space of a collection, beside the live one until it takes its place."""
