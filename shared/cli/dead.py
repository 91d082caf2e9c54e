"""`lamina dead`: what failed or was refused; hand it in again, or let it go."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson, rfc3339
from shared.cli.terminal import (
    Exit,
    Failure,
    answer,
    answer_json,
    answer_table,
    confirm,
    failures,
    say,
    states_in_words,
)
from shared.client import Client
from shared.client.replies import Body, DeadLetterReply, ReplayReply
from shared.words import counted

_PAGE = 1000  # the most that one request takes
_REPLAYED_AT_ONCE = 200
_STAYS = ("refused", "impossible")

Letter = Annotated[str, typer.Argument(help="Its id: document:… or message:…")]
SomeLetter = Annotated[
    str | None, typer.Argument(help="Its id: document:… or message:…; or say which by options.")
]
Kind = Annotated[str | None, typer.Option(help="document (failed) or message (refused).")]
Collection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Only of this collection.")
]
Source = Annotated[str | None, typer.Option(help="Only from here: api, form, queue:…")]
Reason = Annotated[str | None, typer.Option(help="Only with this code, as dead list shows it.")]
Text = Annotated[str | None, typer.Option(help="Only with this in the reason's words.")]
Since = Annotated[datetime | None, typer.Option(help="Received then or later (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Received before then (UTC).")]
All = Annotated[bool, typer.Option("--all", help="Every dead letter.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def list_dead(  # noqa: PLR0913 - one parameter an option
    *,
    kind: Kind = None,
    collection: Collection = None,
    source: Source = None,
    reason: Reason = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    replayed: Annotated[
        bool, typer.Option("--replayed", help="Messages that were replayed instead.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    json: AsJson = False,
) -> None:
    r"""List documents that failed and messages that were refused, newest first.

    \b
    lamina dead list -c papers
    lamina dead list --kind message --reason no-such-collection
    lamina dead list --since 2026-11-22 --json
    """
    which = _which(kind, collection, source, reason, text, since, until)
    which |= {"replayed": "true"} if replayed else {}
    with failures(), configuration.connect() as client:
        found = list(_read(client, which, limit))
        if json:
            answer_json(found)
            return
        columns = ("id", "received", "source", "collection", "document or key", "reason", "detail")
        answer_table(columns, [_row(one) for one in found])


def _row(one: DeadLetterReply) -> tuple[str | None, ...]:
    named = one["document"] or one["key"]
    return (
        one["id"],
        one["received_at"],
        one["source"],
        one["collection"],
        named,
        one["reason"],
        one["detail"],
    )


def _read(client: Client, which: Body, limit: int) -> Iterator[DeadLetterReply]:
    """Yield at most *limit* dead letters, page by page."""
    cursor = None
    while limit > 0:
        asked = which | ({"cursor": cursor} if cursor else {})
        page = client.dead_letters(asked, limit=min(limit, _PAGE))
        yield from page["dead_letters"]
        limit -= len(page["dead_letters"])
        cursor = page["next_cursor"]
        if cursor is None:
            return


def show_dead(letter: Letter, *, json: AsJson = False) -> None:
    r"""Show one with what was handed in.

    \b
    lamina dead show document:123
    lamina dead show message:45 --json
    """
    with failures(), configuration.connect() as client:
        found = client.dead_letter(letter)
        if json:
            answer_json(found)
        else:
            _print_letter(found)


def _print_letter(letter: DeadLetterReply) -> None:
    answer(f"{letter['id']}  {letter['reason']}: {letter['detail']}")
    about = {
        "received": letter["received_at"],
        "failed": letter["failed_at"],
        "source": letter["source"],
        "producer": letter["producer"],
        "collection": letter["collection"],
        "document": letter["document"],
        "key": letter["key"],
        "job": letter["job"] and letter["job"]["id"],
        "replayed": letter["replayed_at"],
        "no replay": letter["obstacle"],
    }
    for name, value in about.items():
        if value:
            answer(f"  {name:<12} {value}")
    if content := letter.get("content"):
        answer(f"\n{content['title']}\n\n{content['text']}".rstrip())
        answer(f"\nmetadata: {content['metadata']}")
    if message := letter.get("message"):
        answer(f"\n{message['raw']}")


def replay_dead(  # noqa: PLR0913 - one parameter an option
    letter: SomeLetter = None,
    *,
    kind: Kind = None,
    collection: Collection = None,
    source: Source = None,
    reason: Reason = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    json: AsJson = False,
) -> None:
    r"""Hand dead letters in again, one or all that the options say, oldest first.

    A failed document goes back into the queue. A refused message is read as if it came now.
    Exit code 1 if some stay.

    \b
    lamina dead replay document:123
    lamina dead replay --reason no-such-collection -c papers
    lamina dead replay --all --json
    """
    which = _which(kind, collection, source, reason, text, since, until)
    _check_meant(letter, which, everything=everything)
    with failures(), configuration.connect() as client:
        if letter:
            results = [client.replay(letter)]
        else:
            results = list(_replay(client, which | {"all": everything}, quiet=json))
        counts = Counter(one["outcome"] for one in results)
        if json:
            answer_json({"counts": counts, "results": results})
        else:
            _print_results(results)
            answer(states_in_words(counts))
        if left := sum(counts[outcome] for outcome in _STAYS):
            raise Failure(f"{counted(left, 'dead letter')} could not be replayed.")


def _replay(client: Client, which: Body, *, quiet: bool) -> Iterator[ReplayReply]:
    """Replay step by step, so that no request takes long and each can be repeated."""
    cursor = None
    done = 0
    while True:
        request = which | {"limit": _REPLAYED_AT_ONCE, "cursor": cursor}
        some = client.replay_some(request)
        yield from some["results"]
        done += len(some["results"])
        cursor = some["next_cursor"]
        if cursor is None:
            return
        if not quiet:
            say(f"{done:,} done")


def _print_results(results: list[ReplayReply]) -> None:
    """Say what became of each that was not simply replayed, and of a single one."""
    for one in results:
        if one["outcome"] == "replayed" and len(results) > 1:
            continue
        job = f"job {one['job']['id']}" if one["job"] else ""
        words = "  ".join(part for part in (job, one["detail"]) if part)
        answer(f"{one['id']}  {one['outcome']}  {words}".rstrip())


def dismiss_dead(  # noqa: PLR0913 - one parameter an option
    letter: SomeLetter = None,
    *,
    kind: Kind = None,
    collection: Collection = None,
    source: Source = None,
    reason: Reason = None,
    text: Text = None,
    since: Since = None,
    until: Until = None,
    replayed: Annotated[
        bool, typer.Option("--replayed", help="Messages that were replayed instead.")
    ] = False,
    everything: All = False,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    r"""Take dead letters off the list for good, one or all that the options say; asks first.

    A message is erased. A document stays failed; its text is let go, what is indexed stays.

    \b
    lamina dead dismiss message:45
    lamina dead dismiss --kind message --until 2026-11-01 --yes
    """
    which = _which(kind, collection, source, reason, text, since, until)
    which |= {"replayed": "true"} if replayed else {}
    _check_meant(letter, which, everything=everything)
    with failures(), configuration.connect() as client:
        confirm(
            f"Dismiss {letter or 'all of these'} for good?",
            yes=yes,
            otherwise="Nothing was dismissed; --yes dismisses without asking.",
        )
        if letter:
            client.dismiss(letter)
            dismissed = 1
        else:
            dismissed = _dismiss(client, which | ({"all": "true"} if everything else {}))
        if json:
            answer_json({"dismissed": dismissed})
        else:
            answer(f"{counted(dismissed, 'dead letter')} dismissed")


def _dismiss(client: Client, which: Body) -> int:
    """Dismiss step by step; return how many."""
    dismissed = 0
    while True:
        some = client.dismiss_some(which)
        dismissed += some["dismissed"]
        if not some["more"]:
            return dismissed


def _which(
    kind: str | None,
    collection: str | None,
    source: str | None,
    reason: str | None,
    text: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Body:
    """Return the filter as the API takes it."""
    said = {
        "kind": kind,
        "collection": collection,
        "source": source,
        "reason": reason,
        "text": text,
        "since": rfc3339(since),
        "until": rfc3339(until),
    }
    return {name: value for name, value in said.items() if value is not None}


def _check_meant(letter: str | None, which: Body, *, everything: bool) -> None:
    """Refuse a command that does not say which letters, or says it twice."""
    with failures():
        if letter and (which or everything):
            raise Failure("Name one by its id, or say which by options, not both.", Exit.USAGE)
        if not letter and not which and not everything:
            raise Failure("Say which: an id, options, or --all.", Exit.USAGE)
