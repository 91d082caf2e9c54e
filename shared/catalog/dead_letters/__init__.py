"""What failed or was refused."""
