"""The installed encoders, file by file, and whether any that is needed is missing."""

from collections.abc import Iterator

from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.encoder import ModelStore
from shared.errors import CorruptFile, EncoderNotInstalled
from shared.ports import Collections
from shared.settings import Settings


def check_models(settings: Settings) -> Iterator[Finding]:
    """Read every file of every installed model and compare it with what was installed."""
    encoding = settings.encoding
    store = ModelStore(
        settings.data_dir / "models", pass_tokens=encoding.pass_tokens, loaded=encoding.loaded
    )
    if not store.folder.is_dir():
        yield warning("models", "None is installed.", "The first start fetches it: ./run")
        return
    try:
        store.card(settings.encoder)
    except EncoderNotInstalled as error:
        yield wrong("models", str(error), f"lamina models pull {settings.encoder}")
    for card in store.cards():
        try:
            store.verify(card.name)
        except CorruptFile as error:
            yield wrong("models", str(error), f"lamina models pull {card.name}")
        else:
            yield ok("models", f"{card.name}: every file is as it was installed")


def check_needed(settings: Settings, collections: Collections) -> Iterator[Finding]:
    """Compare what collections need with what is installed."""
    encoding = settings.encoding
    store = ModelStore(
        settings.data_dir / "models", pass_tokens=encoding.pass_tokens, loaded=encoding.loaded
    )
    installed = {card.fingerprint for card in store.cards()}
    for stats in collections.stats():
        space = stats.collection.space
        if space.fingerprint not in installed:
            yield wrong(
                "models",
                f"Collection {stats.collection.name!r} needs {space.encoder} (fingerprint "
                f"{space.fingerprint[:16]}), which is not installed.",
                f"lamina models pull {space.encoder}, at the revision it was made with",
            )
