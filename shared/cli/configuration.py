"""Read the settings for a command, with an error that names the variable."""

from pydantic import ValidationError

from shared.cli.terminal import Exit, Failure
from shared.settings import Settings


def load() -> Settings:
    """Return the settings of the environment and `.env`.

    Raises:
        Failure: a value is not valid; names each variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = [
            f"  LAMINA_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors()
        ]
        raise Failure("\n".join(["settings are not valid:", *faults]), Exit.USAGE) from error
