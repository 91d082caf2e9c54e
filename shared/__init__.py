"""Lamina itself: what it knows and does, whoever asks. Knows neither Flask nor a worker."""
