"""Read the settings for a command, and connect to the Lamina that they name."""

from urllib.parse import urlsplit

from pydantic import ValidationError

from shared.cli.terminal import Exit, Failure
from shared.client import Client
from shared.settings import LOOPBACK, Settings


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


def connect(settings: Settings | None = None) -> Client:
    """Return a client of the Lamina that *settings* name, by default those of `load`.

    Raises:
        Failure: a value is not valid.
        ConfigurationError: the admin key cannot be read.
    """
    settings = settings or load()
    key = settings.key.get_secret_value() if settings.key else settings.read_admin_key()
    # A proxy of the environment has no business between this machine and itself.
    away = urlsplit(settings.web_url).hostname not in LOOPBACK
    return Client.connect(settings.web_url, key, trust_env=away)
