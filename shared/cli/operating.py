"""Commands of the operator: they open the services instead of speaking HTTP."""

from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson
from shared.cli.terminal import answer, answer_json, answer_table, failures, say
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.encoder import ModelStore

# What these commands work with takes a second and more to import, and user commands live in the
# same command line: so each imports inside, against the house rule, and only here.
# ruff: noqa: PLC0415


def up() -> None:
    r"""Start everything on this machine and keep it running; what ./run does.

    Fetches the default model the first time. Ctrl-C or SIGTERM stops all of it, a second
    Ctrl-C at once. Logs are in the data folder.

    \b
    lamina up
    LAMINA_PORT=9000 LAMINA_DATA_DIR=/srv/lamina lamina up
    """
    from shared.cli.supervisor import supervise

    with failures():
        supervise(configuration.load())


def migrate(*, json: AsJson = False) -> None:
    r"""Bring the catalog to this version of Lamina; needs the default model.

    \b
    lamina migrate
    """
    from shared.services import migrate as bring_up_to_date
    from shared.services import open_services

    with failures():
        services = open_services(configuration.load())
        try:
            bring_up_to_date(services)
        finally:
            services.close()
        if json:
            answer_json({"migrated": True})
        else:
            answer("The catalog is up to date.")


def pull_model(
    model: Annotated[str, typer.Argument(help="A Hugging Face name (org/name) or a folder.")],
    *,
    name: Annotated[
        str | None, typer.Option(help="What to call it here; by default its own name.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit; its commit is recorded.")
    ] = None,
    json: AsJson = False,
) -> None:
    r"""Install an encoder, verified; quick if it is there already.

    \b
    lamina models pull sentence-transformers/all-mpnet-base-v2
    lamina models pull ./my-model --name mine
    """
    from dataclasses import asdict

    from shared.encoder import pull

    with failures():
        settings = configuration.load()
        say(f"fetching {model}")
        card = pull(model, _models(settings), name=name, revision=revision)
        if json:
            answer_json(asdict(card))
        else:
            answer(f"{card.name} is installed: {card.dimension} dimensions, {card.metric}.")


def list_models(*, json: AsJson = False) -> None:
    r"""List the installed encoders.

    \b
    lamina models list --json
    """
    from dataclasses import asdict

    with failures():
        cards = _models(configuration.load()).cards()
        if json:
            answer_json([asdict(card) for card in cards])
        else:
            answer_table(
                ("name", "dimension", "max tokens", "metric", "fingerprint"),
                [
                    (one.name, one.dimension, one.max_tokens, one.metric, one.fingerprint[:16])
                    for one in cards
                ],
            )


def broker_url(*, json: AsJson = False) -> None:
    r"""Print the address where other apps push documents; it holds a password.

    \b
    CELERY_BROKER_URL=$(./run broker-url)
    """
    from shared.cli.broker_server import producer_url

    with failures():
        settings = configuration.load()
        url = producer_url(settings)
        if json:
            answer_json({"url": url, "queue": settings.broker.queue})
        else:
            answer(url)


def _models(settings: Settings) -> "ModelStore":
    from shared.encoder import ModelStore

    return ModelStore.of(settings)
