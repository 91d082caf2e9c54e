"""How the installation is, and what is done so that it stays so."""
