"""Turn a draft folder of model files into an installed model, all of it or none of it."""

import os
import re
from pathlib import Path

from shared.domain import EncoderCard, Passage
from shared.encoder import record as records
from shared.encoder.fingerprint import fingerprint
from shared.encoder.model_files import read_spec
from shared.encoder.record import ModelRecord
from shared.encoder.spec import ModelSpec
from shared.errors import CorruptFile, ModelRefused, ModelUnavailable, UnencodableDocument

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")


def folder_name(name: str) -> str:
    """Return the folder of the model called *name*: `org/name` lives in `org--name`.

    Raises:
        ModelUnavailable: it is not a name that a model can have.
    """
    if not NAME.fullmatch(name) or "--" in name or ".." in name:
        raise ModelUnavailable(
            f"{name!r} is no model name: one or two parts of letters, digits and . _ - "
            "with a slash between."
        )
    return name.replace("/", "--")


def install(
    draft: Path, folder: Path, *, name: str, source: str, revision: str | None, probe: bool
) -> EncoderCard:
    """Install the files in *draft*, a folder inside *folder*, as the model *name*.

    The record is written last and the folder gets its name when all is on disk. Installing
    the same model again keeps what is there.

    Args:
        draft: complete model files; used up.
        folder: the store's folder.
        name: the model's full name.
        source: where it came from, for the record.
        revision: which one, for the record.
        probe: load the model and encode a text before trusting it.

    Raises:
        ModelRefused: the model asks for what Lamina cannot honour.
        ModelUnavailable: another model has this name here.
    """
    spec = read_spec(draft)
    files = records.list_files(draft)
    card = EncoderCard(
        name=name,
        fingerprint=fingerprint(draft, spec, files),
        dimension=spec.dimension,
        max_tokens=spec.max_tokens,
        metric=spec.metric,
    )
    target = folder / folder_name(name)
    if (installed := _installed(target)) is not None:
        if installed.card.fingerprint != card.fingerprint:
            raise ModelUnavailable(
                f"Another model called {name} is installed, and collections may need it. "
                "Install this one under another name."
            )
        return installed.card
    if probe:
        _probe(draft, spec, card)
    record = ModelRecord(card=card, source=source, revision=revision, files=files)
    (draft / records.FILE).write_text(records.dump(record), encoding="utf-8")
    for path in sorted(draft.rglob("*"), reverse=True):
        _sync(path)
    _sync(draft)
    try:
        draft.rename(target)
    except OSError as error:
        if (installed := _installed(target)) is None:
            raise ModelUnavailable(f"The model cannot be moved to {target}: {error}") from error
        return installed.card  # another process was faster
    _sync(folder)
    return card


def _installed(target: Path) -> ModelRecord | None:
    try:
        record = records.read(target)
    except FileNotFoundError:
        return None
    try:
        records.check_sizes(target, record)
        records.check_hashes(target, record)
    except CorruptFile as error:
        raise ModelUnavailable(f"{error.detail}") from error
    return record


def _probe(draft: Path, spec: ModelSpec, card: EncoderCard) -> None:
    # Only processes that encode or install may load torch.
    from shared.encoder.transformer import TransformerEncoder  # noqa: PLC0415

    encoder = TransformerEncoder(draft, spec, card, pass_tokens=card.max_tokens)
    text = "probe " * card.max_tokens
    passages = [
        Passage(start=0, end=len(one), tokens=card.max_tokens, input=one) for one in ("", text)
    ]
    try:
        encoder.encode(passages)
    except (UnencodableDocument, AttributeError, TypeError) as error:
        raise ModelRefused(f"The model cannot encode a text: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
