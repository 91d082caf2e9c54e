"""The installed encoders, file by file, and whether any that is needed is missing."""

from collections.abc import Iterator

from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.encoder import ModelStore
from shared.errors import CorruptFile, EncoderNotInstalled
from shared.ports import Collections, Renditions
from shared.settings import Settings


def check_models(settings: Settings, *, quick: bool) -> Iterator[Finding]:
    """Compare every file of every installed model with what was installed.

    Args:
        settings: of this installation.
        quick: look at sizes alone; reading takes about a third of a second for each 100 MB.
    """
    store = ModelStore.of(settings)
    if not store.folder.is_dir():
        yield warning("models", "None is installed.", "The first start fetches it: ./run")
        return
    try:
        store.card(settings.encoder)
    except EncoderNotInstalled as error:
        yield wrong("models", str(error), f"lamina models pull {settings.encoder}")
    for card in store.cards():
        try:
            store.verify(card.name, contents=not quick)
        except CorruptFile as error:
            yield wrong("models", str(error), f"lamina models pull {card.name}")
        else:
            as_it_was = "is there" if quick else "is as it was installed"
            yield ok("models", f"{card.name}: every file {as_it_was}")


def check_device(settings: Settings) -> Iterator[Finding]:
    """See whether the device that documents are encoded on is there.

    Raises:
        ConfigurationError: it is not.
    """
    # torch takes seconds to import, which only those pay who ask for it.
    from shared.encoder.devices import device_called  # noqa: PLC0415

    yield ok("device", f"documents are encoded on {device_called(settings.encoding.device)}")


def check_needed(
    settings: Settings, collections: Collections, renditions: Renditions
) -> Iterator[Finding]:
    """Compare what collections, and rebuilds of them, need with what is installed."""
    store = ModelStore.of(settings)
    installed = {card.fingerprint for card in store.cards()}
    needed = [
        (f"Collection {one.collection.name!r}", one.collection.space) for one in collections.stats()
    ]
    needed += [
        (f"The rebuild of {collections.by_id(one.collection_id).name!r}", one.space)
        for one in renditions.running()
    ]
    for who, space in needed:
        if space.fingerprint not in installed:
            yield wrong(
                "models",
                f"{who} needs {space.encoder} (fingerprint {space.fingerprint[:16]}), which is not "
                "installed.",
                f"lamina models pull {space.encoder}, at the revision it was made with",
            )
