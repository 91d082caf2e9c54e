"""How versions come to be, are kept, compared, restored and erased from."""
