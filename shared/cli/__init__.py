"""`lamina …`: the command line. User commands speak HTTP; operator commands open the services."""

from shared.cli.commands import app


def main() -> None:
    """Run the command line."""
    app()
