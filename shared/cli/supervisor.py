"""`lamina up`: start everything on this machine, keep it running, stop it cleanly."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from shared.cli import data_folder
from shared.cli.broker_server import BrokerServer, open_broker
from shared.cli.children import Child, Program
from shared.cli.deaths import Death, obituary
from shared.cli.logs import LogWatch, last_lines
from shared.cli.programs import (
    broker_program,
    free_port,
    own_environment,
    own_programs,
    pull_command,
)
from shared.cli.readiness import find_obstacle, local_url
from shared.cli.terminal import Failure, answer, complain, err, say
from shared.errors import EncoderNotInstalled, Retryable
from shared.services import Services, migrate, open_services
from shared.settings import Settings

_TICK_SECONDS = 0.1
_STOP_ORDER = ("web", "intake", "parser", "index", "upkeep", "broker")
"""Who ends first: takers of work before its doers."""
_WEB_SECONDS = 15.0
_BROKER_SECONDS = 5.0
_SPARE_SECONDS = 2.0


class _Signals:
    """How often the user asked to stop."""

    def __init__(self) -> None:
        self.count = 0
        self._preparing = True

    def listen(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._receive)

    def begin_running(self) -> None:
        """From here on a signal is only noted; before, it interrupts what goes on."""
        self._preparing = False
        if self.count:
            raise KeyboardInterrupt

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self._preparing and self.count == 1:
            raise KeyboardInterrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What this start may use."""

    settings: Settings
    port: int
    lock: int
    lifeline: int
    """Reading end of a pipe whose writing end dies with this process."""


def supervise(settings: Settings) -> None:
    """Run Lamina until SIGINT or SIGTERM; everything it started has ended when this returns.

    Raises:
        ConfigurationError: the folder or a port is taken, or it would be exposed without a key.
        ModelUnavailable: the default model is not there and cannot be fetched.
        Failure: it did not become ready.
    """
    settings.check_exposure()
    signals = _Signals()
    signals.listen()
    lock = data_folder.lock(settings.data_dir)
    try:
        with _lifeline() as lifeline:
            port = free_port(settings.host, settings.port, "LAMINA_PORT")
            if settings.embedded_broker:
                free_port("127.0.0.1", settings.broker.port, "LAMINA_BROKER_PORT")
            place = _Place(settings=settings, port=port, lock=lock, lifeline=lifeline)
            services = open_services(settings)
            try:
                _prepare(services, lifeline)
                _Supervisor(place, services, signals).run()
            except KeyboardInterrupt:
                say("Stopped before it had started.")
            finally:
                services.close()
    finally:
        os.close(lock)


@contextmanager
def _lifeline() -> Iterator[int]:
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(writing)
        os.close(reading)


def _prepare(services: Services, lifeline: int) -> None:
    """Install the default model if need be, and bring the catalog up to date."""
    encoder = services.settings.encoder
    try:
        services.encoders.card(encoder)
    except EncoderNotInstalled as error:
        # In a process of its own: trying the model out loads torch, which this one never needs.
        command = pull_command(encoder, lifeline=lifeline)
        environment = own_environment(services.settings)
        if subprocess.run(command, env=environment, check=False).returncode:  # noqa: S603 - ours
            raise Failure(f"The model {encoder} could not be installed.") from error
    migrate(services)


class _Supervisor:
    """The children and what happens to them."""

    def __init__(self, place: _Place, services: Services, signals: _Signals) -> None:
        self._place = place
        self._settings = place.settings
        self._services = services
        self._signals = signals
        self._children: list[Child] = []
        self._watches: list[tuple[Child, LogWatch]] = []
        self._url = local_url(place.settings.host, place.port)
        self._logs = place.settings.data_dir / "logs"

    def run(self) -> None:
        """Start, wait until ready, keep going, stop."""
        self._logs.mkdir(exist_ok=True)
        data_folder.remove_state(self._settings.data_dir)
        self._signals.begin_running()
        try:
            self._start()
            self._wait_until_ready()
            while not self._signals.count:
                self._tick()
        finally:
            self._stop()
            data_folder.remove_state(self._settings.data_dir)

    def _start(self) -> None:
        broker_url = self._settings.broker_url
        if self._settings.embedded_broker:
            broker_url = self._start_broker().url
        programs = own_programs(
            self._settings,
            port=self._place.port,
            broker_url=broker_url,
            lifeline=self._place.lifeline,
        )
        for program in programs:
            self._launch(program)
        self._write_state()

    def _start_broker(self) -> BrokerServer:
        server = open_broker(self._settings)
        self._launch(broker_program(server, lifeline=self._place.lifeline))
        server.wait_until_ready()
        return server

    def _launch(self, program: Program) -> None:
        child = Child(
            program, logs=self._logs, descriptors=(self._place.lifeline, self._place.lock)
        )
        self._watches.append((child, LogWatch(child.log)))
        self._children.append(child)
        child.start()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._settings.start_seconds
        shown = None
        with err.status("Starting") as status:
            while (obstacle := self._find_obstacle()) and not self._signals.count:
                if time.monotonic() > deadline:
                    raise Failure(self._explain(obstacle))
                if obstacle != shown:
                    status.update(f"Starting: {obstacle}")
                    shown = obstacle
                self._tick()
                self._tick()
        if not self._signals.count:
            self._greet()

    def _find_obstacle(self) -> str | None:
        return find_obstacle(self._settings.host, self._place.port)

    def _explain(self, obstacle: str) -> str:
        seconds = self._settings.start_seconds
        lines = [f"Lamina was not ready after {seconds:g} seconds: {obstacle}"]
        for child in self._children:
            if child.program.role == "web" or child.pid is None:
                lines.append(f"The end of {child.log}:")
                lines.extend(f"  {line}" for line in last_lines(child.log, 8))
        return "\n".join(lines)

    def _greet(self) -> None:
        settings = self._settings
        answer(f"\nLamina is ready:  {self._url}")
        answer("Other apps:       ./run broker-url prints where they push documents")
        answer(f"Data and logs:    {settings.data_dir}")
        answer("Stop:             Ctrl-C\n")

    def _tick(self) -> None:
        """Look after the children once, then rest for a moment."""
        changed = False
        for child in self._children:
            if death := child.find_death():
                self._mourn(child, death)
                changed = True
            if child.recovered:
                say(f"{child.program.name} runs again")
            if child.pid is None and time.monotonic() >= child.next_start_at:
                child.start()
                changed = True
        if changed:
            self._write_state()
        for child, watch in self._watches:
            for line in watch.new_warnings():
                if not child.loops:  # its first deaths have said it all
                    say(f"[{child.program.name}] {line}")
        time.sleep(_TICK_SECONDS)

    def _mourn(self, child: Child, death: Death) -> None:
        wait = child.next_start_at - time.monotonic()
        for line in obituary(child.program.name, death, child.log, wait):
            complain(line)
        if child.program.role == "index":
            # In a thread: a database that is away must not hold up the other children.
            threading.Thread(target=self._give_back, args=(death.pid,), daemon=True).start()

    def _give_back(self, pid: int) -> None:
        """Give the claims of a dead index worker back at once, not when its lease runs out."""
        try:
            self._services.claims.reap(
                worker=f"{socket.gethostname()}:{pid}",
                max_crashes=self._settings.encoding.max_crashes,
            )
        except Retryable as error:
            complain(f"the work of process {pid} waits for its lease to run out: {error}")

    def _write_state(self) -> None:
        data_folder.write_state(
            self._settings.data_dir,
            url=self._url,
            processes=[
                {"name": child.program.name, "role": child.program.role, "pid": child.pid}
                for child in self._children
            ],
        )

    def _stop(self) -> None:
        """End everything, kind by kind; at once if the user insists or it takes too long."""
        say("Stopping")
        asked = self._signals.count
        for role in _STOP_ORDER:
            seconds = self._stop_seconds(role)
            group = [child for child in self._children if child.program.role == role]
            for child in group:
                child.ask_to_end()
            self._wait(
                lambda: all(child.has_ended() for child in group),  # noqa: B023 - called here
                seconds,
                asked,
            )
            for child in group:
                if not child.has_ended() and self._signals.count == asked:
                    complain(f"{child.program.name} did not end in {seconds:.0f} s and is killed")
                child.kill()
        say("Stopped.")

    def _stop_seconds(self, role: str) -> float:
        """Return how long a kind of process may take to end."""
        own = self._settings.stop_seconds + _SPARE_SECONDS
        return {"web": _WEB_SECONDS, "broker": _BROKER_SECONDS}.get(role, own)

    def _wait(self, done: Callable[[], bool], seconds: float, asked: int) -> None:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline and self._signals.count == asked:
            time.sleep(0.02)
