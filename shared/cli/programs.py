"""What the supervisor runs: command lines and environments."""

import os
import socket
import sys
from collections.abc import Mapping, Sequence

from shared.cli import guard
from shared.cli.broker_server import BrokerServer
from shared.cli.children import Program
from shared.errors import ConfigurationError
from shared.settings import ROOT, Settings, child_environment


def _guarded(lifeline: int) -> Sequence[str]:
    """Return the beginning of a command line of a program that does not watch the lifeline."""
    return (sys.executable, "-I", "-S", str(guard.__file__), str(os.getpid()), str(lifeline))


def broker_program(server: BrokerServer, *, lifeline: int) -> Program:
    """Return the embedded broker."""
    return Program(
        name="broker",
        role="broker",
        command=(*_guarded(lifeline), *server.command()),
        environment=child_environment(),
    )


def pull_command(encoder: str, *, lifeline: int) -> Sequence[str]:
    """Return the command line that installs a model."""
    pull = (sys.executable, "-P", "-m", "shared.cli", "models", "pull", encoder)
    return (*_guarded(lifeline), *pull)


def own_environment(settings: Settings, **changes: str) -> Mapping[str, str]:
    """Return the environment of Lamina's own processes."""
    environment = child_environment(
        LAMINA_DATA_DIR=str(settings.data_dir),
        # A worker is one thread on one core; several threads each would only fight.
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        TOKENIZERS_PARALLELISM="false",
        PYTHONPATH=str(ROOT),
        PYTHONUNBUFFERED="1",
        # Where bytecode is switched off for the whole machine, every start would compile anew.
        PYTHONDONTWRITEBYTECODE="",
        **changes,
    )
    if sys.platform == "darwin":
        # torch and faiss-cpu each bring an OpenMP runtime, which aborts the second
        # (faiss-wheels#73); safe with the one thread above.
        environment["KMP_DUPLICATE_LIB_OK"] = "TRUE"
    return environment


def own_programs(
    settings: Settings, *, port: int, broker_url: str, lifeline: int
) -> Sequence[Program]:
    """Return Lamina's own processes in the order of starting."""
    environment = own_environment(settings, LAMINA_BROKER_URL=broker_url, LAMINA_PORT=str(port))

    def program(name: str, role: str, *module: str) -> Program:
        # -P: a folder called `web` where Lamina was started from is not ours.
        command = (sys.executable, "-P", "-m", *module, "--parent-fd", str(lifeline))
        return Program(name=name, role=role, command=command, environment=environment)

    return [
        program("intake", "intake", "workers", "intake"),
        program("upkeep", "upkeep", "workers", "upkeep"),
        program("parser", "parser", "workers", "parser"),
        *(
            program(f"index-{number}", "index", "workers", "index")
            for number in range(1, settings.encoding.workers + 1)
        ),
        program("web", "web", "web"),
    ]


def free_port(host: str, port: int, setting: str) -> int:
    """Return *port* if it can be listened on, or a free one for 0.

    Raises:
        ConfigurationError: it is in use, or the address is not this machine's; names *setting*.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"Port {port} of {host} cannot be used ({error.strerror}); choose another with "
                f"{setting}."
            ) from error
        return int(probe.getsockname()[1])
