"""What runs, and whether what it serves is there."""

from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

import httpx

from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.cli.programs import free_port
from shared.errors import ConfigurationError, CorruptFile
from shared.indexing.publishing import read_manifest
from shared.services import Services
from shared.settings import Settings
from shared.waiting.forecast import ALIVE_SECONDS
from shared.words import counted

_KINDS = ("web", "index", "intake", "upkeep", "parser")
_OPTIONAL = "intake"
"""Nobody needs it who takes no messages."""
_SECONDS = 5.0


def check_port(settings: Settings) -> Iterator[Finding]:
    """Find out who answers where Lamina should, if anybody does."""
    url = settings.web_url
    try:
        answer = httpx.get(f"{url}/livez", timeout=_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        yield from _free(settings, str(error))
        return
    if answer.status_code == HTTPStatus.OK and '"ready"' in answer.text:
        yield ok("port", f"Lamina answers at {url}")
    else:
        yield wrong(
            "port",
            f"Something else than Lamina, or a Lamina that is not well, answers at {url}.",
            "End it, or choose another port with LAMINA_PORT.",
        )


def _free(settings: Settings, reason: str) -> Iterator[Finding]:
    if settings.url:
        advice = "Start it there, or look at LAMINA_URL."
        yield wrong("port", f"Nothing answers at {settings.url} ({reason}).", advice)
        return
    try:
        free_port(settings.host, settings.port, "LAMINA_PORT")
    except ConfigurationError as error:
        yield wrong("port", str(error), "End what uses it, or choose another.")
    else:
        yield ok("port", f"Nothing answers at {settings.web_url}, and the port is free")


def check_access(services: Services) -> Iterator[Finding]:
    """Say whether keys are needed, and whether strangers get in without one."""
    web = services.settings.web
    if services.keyring.closed:
        yield ok("access", "every request needs a key")
    elif web.proxies or web.allowed_hosts:
        yield wrong(
            "access",
            "No key is needed, and requests come through a proxy: whoever reaches that may do all.",
            "lamina keys create --admin, or set LAMINA_ADMIN_KEY_FILE.",
        )
    else:
        yield ok("access", "no key is needed: only programs of this machine get in")


def check_processes(services: Services) -> Iterator[Finding]:
    """Look at who is alive, and how each is."""
    alive = services.roster.processes(within_seconds=ALIVE_SECONDS)
    counts = Counter(one.kind for one in alive)
    if not alive:
        yield warning("processes", "None is alive.", "Start Lamina: ./run")
        return
    yield ok("processes", ", ".join(f"{count} {kind}" for kind, count in counts.items()))
    for kind in _KINDS:
        if not counts[kind]:
            missing = warning if kind == _OPTIONAL else wrong
            yield missing(
                "processes",
                f"No {kind} process is alive.",
                "Look at its log (LAMINA_DATA_DIR/logs, or the container's) and start it.",
            )
    for one in alive:
        if one.condition.trouble:
            yield wrong(
                "processes",
                f"{one.kind} {one.name}: {one.condition.trouble}",
                "Its log says since when and how often.",
            )


def check_index(services: Services) -> Iterator[Finding]:
    """Check that the newest version of each collection has its files; `lamina fsck` reads them."""
    damaged = len(services.chores.damages())
    if damaged:
        yield wrong(
            "index",
            f"{counted(damaged, 'damaged file')} in quarantine; the last good version is served.",
            "lamina fsck --repair",
        )
    heads = services.reading.heads()
    missing = 0
    for collection_id, head in heads.items():
        collection = services.collections.by_id(collection_id)
        try:
            manifest = read_manifest(services.store, head, collection)
        except CorruptFile as error:
            missing += 1
            yield wrong("index", f"{collection.name}: {error}", "lamina fsck --repair")
            continue
        there = {one.key for one in services.files.entries(collection_id) if not one.draft}
        if gone := services.files.needed(manifest) - there:
            missing += len(gone)
            yield wrong(
                "index",
                f"{collection.name}: {counted(len(gone), 'file')} of version {head.version} "
                f"missing, {min(gone)} among them.",
                "lamina fsck --repair",
            )
    if not damaged and not missing:
        yield ok("index", f"the newest versions of {counted(len(heads), 'collection')} are there")
