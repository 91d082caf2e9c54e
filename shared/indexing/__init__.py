"""From a claim to a version: encode what waits, publish it."""
