"""`lamina top`: a live view in the terminal."""
