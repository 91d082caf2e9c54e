"""The folder of installed models, and the encoders loaded from it."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from shared.domain import EncoderCard
from shared.encoder import record as records
from shared.encoder.model_files import read_spec
from shared.encoder.record import ModelRecord
from shared.errors import EncoderNotInstalled
from shared.ports import Encoder
from shared.settings import Settings


class ModelStore:
    """Models under `<folder>/<org>--<name>/`; adapter of the port `Encoders`.

    Safe for many threads; two that ask for one encoder load it once.
    """

    def __init__(self, folder: Path, *, pass_tokens: int, loaded: int, device: str = "cpu") -> None:
        """Look into *folder*, which need not exist.

        Args:
            folder: `<data_dir>/models`.
            pass_tokens: tokens of one forward pass, padding included.
            loaded: encoders kept in memory; the one used longest ago goes first.
            device: where they run, as torch names it.
        """
        self.folder = folder
        self.pass_tokens = pass_tokens
        self._most = loaded
        self._device = device
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._loaded: dict[str, Encoder] = {}  # by fingerprint, last used last
        self._verified: set[tuple[str, str]] = set()

    @classmethod
    def of(cls, settings: Settings, *, device: str = "cpu") -> Self:
        """Return the models of the installation with these settings, to run on *device*."""
        return cls(
            settings.data_dir / "models",
            pass_tokens=settings.encoding.pass_tokens,
            loaded=settings.encoding.loaded,
            device=device,
        )

    def cards(self) -> Sequence[EncoderCard]:
        """Return what is installed, by name, without loading any.

        Raises:
            CorruptFile: a model's record is damaged.
        """
        return sorted((record.card for _, record in self._records()), key=lambda card: card.name)

    def card(self, name: str) -> EncoderCard:
        """Return one by its full name, or by the part after the last slash if that is unique.

        Raises:
            EncoderNotInstalled: there is none.
        """
        cards = self.cards()
        full = [card for card in cards if card.name == name]
        short = [card for card in cards if card.name.rpartition("/")[2] == name]
        found = full or short
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(card.name for card in found)
            raise EncoderNotInstalled(f"Several encoders are called {name!r}: {names}.")
        raise EncoderNotInstalled(
            f"No encoder {name!r} is installed; `lamina models pull {name}` installs one."
        )

    def record(self, name: str) -> ModelRecord | None:
        """Return the record of the model with this full name; None if it is not installed."""
        found = (record for _, record in self._records() if record.card.name == name)
        return next(found, None)

    def verify(self, name: str, *, contents: bool = True) -> None:
        """Compare every file of the model with this full name with what was installed.

        Args:
            name: of the model.
            contents: whether to read the files, too, and not only to look at their sizes.

        Raises:
            CorruptFile: a file differs.
        """
        for folder, record in self._records():
            if record.card.name == name:
                records.check_sizes(folder, record)
                if contents:
                    records.check_hashes(folder, record)

    def load(self, fingerprint: str) -> Encoder:
        """Return the encoder, loading it if needed; keeps the last few.

        The first load in a process reads every file once to check its hash.

        Raises:
            EncoderNotInstalled: no installed model has this fingerprint.
            CorruptFile: a file differs from what was installed.
            ConfigurationError: torch has no such device here.
        """
        with self._lock:
            if (encoder := self._use(fingerprint)) is not None:
                return encoder
            turn = self._loading.setdefault(fingerprint, threading.Lock())
        with turn:
            with self._lock:
                if (encoder := self._use(fingerprint)) is not None:
                    return encoder
            encoder = self._open(fingerprint)
            with self._lock:
                self._loaded[fingerprint] = encoder
                while len(self._loaded) > self._most:
                    del self._loaded[next(iter(self._loaded))]
                return encoder

    def _use(self, fingerprint: str) -> Encoder | None:
        encoder = self._loaded.pop(fingerprint, None)
        if encoder is not None:
            self._loaded[fingerprint] = encoder
        return encoder

    def _open(self, fingerprint: str) -> Encoder:
        # torch takes seconds and hundreds of megabytes, and most processes never encode.
        from shared.encoder.transformer import TransformerEncoder  # noqa: PLC0415

        for folder, record in self._records():
            if record.card.fingerprint == fingerprint:
                self._verify(folder, record)
                return TransformerEncoder(
                    folder,
                    read_spec(folder),
                    record.card,
                    pass_tokens=self.pass_tokens,
                    device=self._device,
                )
        raise EncoderNotInstalled(f"No installed encoder has the fingerprint {fingerprint}.")

    def _verify(self, folder: Path, record: ModelRecord) -> None:
        records.check_sizes(folder, record)
        key = (folder.name, record.card.fingerprint)
        if key not in self._verified:
            records.check_hashes(folder, record)
            self._verified.add(key)

    def _records(self) -> Iterator[tuple[Path, ModelRecord]]:
        for path in sorted(self.folder.glob(f"[!.]*/{records.FILE}")):
            yield path.parent, records.read(path.parent)
