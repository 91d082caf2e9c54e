"""`lamina doctor`: what is right and wrong with an installation, and what to do."""
