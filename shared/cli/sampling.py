"""`lamina sample`: a collection to try Lamina with."""

import time
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import Failure, answer, answer_json, failures, say
from shared.cli.waiting import Tracker
from shared.samples import NAME, QUESTIONS
from shared.words import counted

_LOOK_SECONDS = 0.25


def sample(
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Delete it instead.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return once all is accepted.")
    ] = False,
    json: AsJson = False,
) -> None:
    r"""Load a small collection to look around with: English nouns and what they mean.

    From WordNet 3.0 (Princeton University), whose licence comes with it.

    \b
    lamina sample
    lamina search "something to see far away with" -c sample-nouns
    lamina sample --remove
    """
    with failures(), configuration.connect() as client:
        if remove:
            gone = client.delete_collection(NAME)
            answer_json(gone) if json else answer(f"{NAME} is deleted.")
            return
        loaded = client.load_sample()
        tracker = Tracker(client, NAME)
        tracker.add(loaded["job"]["id"], loaded["documents"])
        if not no_wait:
            _follow(tracker)
        if json:
            answer_json(loaded)
            return
        done = "accepted" if no_wait else "searchable"
        answer(f"{counted(loaded['documents'], 'document')} of {NAME} {done}.")
        say(f'Try: lamina search "{QUESTIONS[0]}" -c {NAME}')
        say(loaded["attribution"])


def _follow(tracker: Tracker) -> None:
    """Wait until all of it can be found.

    Raises:
        Failure: some of it cannot.
    """
    while tracker.waiting:
        tracker.look()
        if tracker.waiting:
            time.sleep(_LOOK_SECONDS)
    if tracker.tally.failed:
        raise Failure(f"{counted(tracker.tally.failed, 'document')} could not be indexed.")
