"""A private RabbitMQ on free ports of loopback, with a folder of its own, that a test may kill."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from kombu import Connection

README = Path(__file__).parents[1] / "README.md"
PASSWORDS = {"$LAMINA_PASSWORD": "of-lamina", "$ORDERS_PASSWORD": "of-orders"}
_START_SECONDS = 60.0
_CONTROL_SECONDS = 60.0


class RabbitServer:
    """Start with `start` or as a context manager; the ports and the data outlive a `kill`.

    Erlang's name service (`epmd`) is private too, so that any number of these and a RabbitMQ of
    the machine get along.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._programs = find_programs()
        self._environment = self._make_environment()
        self._names: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address of the account that the server begins with, which may do anything."""
        return self.url_of("guest", "guest")

    @property
    def lamina_url(self) -> str:
        """Address of Lamina's account, as README gives it its rights."""
        return self.url_of("lamina", PASSWORDS["$LAMINA_PASSWORD"])

    @property
    def producer_url(self) -> str:
        """Address of an app's account, as README gives it its rights."""
        return self.url_of("orders", PASSWORDS["$ORDERS_PASSWORD"])

    def url_of(self, user: str, password: str) -> str:
        return f"amqp://{user}:{password}@127.0.0.1:{self.port}//"

    def start(self) -> None:
        if self._names is None:
            self._names = self._run("epmd", "-address", "127.0.0.1")
        # A group of its own: the server is a shell, an Erlang machine and its helpers.
        self._process = self._run(str(self._programs / "rabbitmq-server"), start_new_session=True)
        self._wait_until_up()

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl`; return what it printed."""
        done = subprocess.run(
            [str(self._programs / "rabbitmqctl"), "--quiet", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_CONTROL_SECONDS,
        )
        assert done.returncode == 0, f"rabbitmqctl {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def make_accounts(self) -> None:
        """Run the commands that README tells an operator to run."""
        for words in _commands():
            self.control(*words)

    def give_rights(self) -> None:
        """Give the accounts their rights again, as README says."""
        for words in _commands():
            if words[0] == "set_permissions":
                self.control(*words)

    def let_fetch_replies(self) -> None:
        """Give the app's account the rights that README gives to one that waits for replies."""
        (push,) = [words for words in _commands() if words[:2] == ["set_permissions", "orders"]]
        (replies,) = set(re.findall(r"'(\^lamina\\.reply[^']*)'", _readme()))
        self.control(*(replies if word == "^$" else word for word in push))

    def connect(self) -> Connection:
        return Connection(self.url, connect_timeout=5)

    def forget(self, *names: str) -> None:
        """Delete the queues and exchanges of these names."""
        with self.connect() as connection:
            channel: Any = connection.channel()
            for name in names:
                channel.queue_delete(name)
                channel.exchange_delete(name)

    def waiting(self, queue: str) -> int:
        """Return how many messages no consumer holds."""
        with self.connect() as connection:
            channel: Any = connection.channel()
            return int(channel.queue_declare(queue, passive=True).message_count)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(timeout=10)
            self._process = None

    def send(self, how: signal.Signals) -> None:
        """Send a signal to every process of the server."""
        if self._process is not None:
            os.killpg(self._process.pid, how)

    def stop(self) -> None:
        """End it for good; what it held is thrown away, so it need not be written out first."""
        self.kill()
        if self._names is not None:
            self._names.kill()
            self._names.wait(timeout=10)
            self._names = None

    def _run(self, *command: str, start_new_session: bool = False) -> subprocess.Popen[bytes]:
        with (self.folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=start_new_session,
            )

    def _wait_until_up(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.connect() as connection:
                    connection.connect()
            except OSError:
                said = (self.folder / "output.log").read_text(errors="replace")
                assert time.monotonic() < end, f"RabbitMQ did not start:\n{said}"
                assert self._process is not None
                assert self._process.poll() is None, f"RabbitMQ ended:\n{said}"
                time.sleep(0.1)
            else:
                return

    def _make_environment(self) -> dict[str, str]:
        self._write("rabbitmq.conf", _CONFIGURATION.format(port=self.port))
        self._write("rabbitmq-env.conf", "")
        self._write("enabled_plugins", "[].\n")
        cookie = self._write(".erlang.cookie", f"lamina{self.port}")
        cookie.chmod(0o400)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(_free_port()),
            "RABBITMQ_NODENAME": f"lamina{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(_free_port()),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }

    def _write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


_CONFIGURATION = """\
listeners.tcp.local = 127.0.0.1:{port}
disk_free_limit.absolute = 1MB
log.file.level = warning
"""

_ERLANG = "+S 2:2 +A 16 -kernel inet_dist_use_interface {127,0,0,1}"
"""Few threads, since the machines of tests are small; and no port beyond loopback."""


def _readme() -> str:
    return README.read_text(encoding="utf-8")


def _commands() -> list[list[str]]:
    """Return the commands that README tells an operator to run, with passwords."""
    lines = re.findall(r"^rabbitmqctl (.*)$", _readme(), flags=re.MULTILINE)
    assert len(lines) == 4
    return [[PASSWORDS.get(word, word) for word in shlex.split(line)] for line in lines]


def find_programs() -> Path:
    """Return the folder of the server's own programs.

    Debian's names on the PATH are links to a wrapper that changes the user and the folder.

    Raises:
        FileNotFoundError: RabbitMQ is not installed.
    """
    found = shutil.which("rabbitmq-server", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        raise FileNotFoundError("rabbitmq-server is not installed")
    return Path(found).resolve().parent


def start_rabbit(folder: Path) -> RabbitServer:
    """Return a running server with README's accounts; skip without RabbitMQ, or fail in CI."""
    try:
        server = RabbitServer(folder)
    except FileNotFoundError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI must have it: {error}")
        pytest.skip(str(error))
    server.start()
    server.make_accounts()
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
