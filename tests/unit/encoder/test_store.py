"""Installed models: whole or not there, loaded once, verified."""

import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.domain import Chunking
from shared.encoder import ModelStore, pull
from shared.encoder.installation import install
from shared.errors import (
    CorruptFile,
    EncoderNotInstalled,
    ModelRefused,
    ModelUnavailable,
    UnencodableDocument,
)
from tests.models import write_model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("made") / "tiny")


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", pass_tokens=200, loaded=2)


def fresh(store: ModelStore) -> ModelStore:
    return ModelStore(store.folder, pass_tokens=200, loaded=2)


def test_importing_the_package_loads_no_torch() -> None:
    code = (
        "import sys, shared.encoder.store, shared.encoder.pull\n"
        "heavy = {'torch', 'transformers', 'tokenizers', 'huggingface_hub'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_store_without_a_folder_is_empty(store: ModelStore) -> None:
    assert list(store.cards()) == []
    assert store.record("org/tiny") is None


def test_a_folder_is_installed_under_its_own_or_a_given_name(store: ModelStore, made: Path) -> None:
    assert pull(str(made), store).name == "tiny"
    assert pull(str(made), store, name="org/tiny").name == "org/tiny"

    assert [card.name for card in store.cards()] == ["org/tiny", "tiny"]
    assert sorted(path.name for path in store.folder.iterdir()) == ["org--tiny", "tiny"]
    record = json.loads((store.folder / "org--tiny" / "lamina-model.json").read_text("utf-8"))
    assert (record["format"], record["source"], record["revision"]) == (1, "folder", None)
    assert {file["path"] for file in record["files"]} >= {"model.safetensors", "tokenizer.json"}


def test_installing_the_same_model_again_changes_nothing(store: ModelStore, made: Path) -> None:
    first = pull(str(made), store)
    written = (store.folder / "tiny" / "lamina-model.json").stat().st_mtime_ns

    assert pull(str(made), store) == first
    assert (store.folder / "tiny" / "lamina-model.json").stat().st_mtime_ns == written


def test_another_model_never_takes_the_name_of_an_installed_one(
    store: ModelStore, made: Path, tmp_path: Path
) -> None:
    first = pull(str(made), store, name="org/tiny")
    other = write_model(tmp_path / "other", seed=8)

    with pytest.raises(ModelUnavailable, match="under another name"):
        pull(str(other), store, name="org/tiny")
    assert list(store.cards()) == [first]
    assert [path.name for path in store.folder.iterdir()] == ["org--tiny"]


def test_the_fingerprint_depends_on_what_changes_a_vector_and_on_nothing_else(
    store: ModelStore, made: Path, tmp_path: Path
) -> None:
    same = tmp_path / "copy"
    shutil.copytree(made, same)
    (same / "README.md").write_text("Other words.", encoding="utf-8")
    config = json.loads((same / "config.json").read_text("utf-8"))
    config |= {"_name_or_path": "/somewhere/else", "transformers_version": "9"}
    (same / "config.json").write_text(json.dumps(config), encoding="utf-8")
    variants = [
        write_model(tmp_path / "seed", seed=8),
        write_model(tmp_path / "mean", pooling=["mean"]),
        write_model(tmp_path / "prompt", prompts={"query": "q: "}),
        write_model(tmp_path / "limit", max_tokens=40),
        write_model(tmp_path / "unnormalized", normalize=False),
        write_model(tmp_path / "truncated", options={"truncate_dim": 8}),
        write_model(tmp_path / "dense", dense={"out_features": 64}),
        write_model(tmp_path / "dense-2", dense={"out_features": 64}, scale=0.25),
    ]
    cards = [pull(str(path), store, name=f"m/{path.name}") for path in (made, same, *variants)]

    assert cards[0].fingerprint == cards[1].fingerprint
    assert len({card.fingerprint for card in cards[1:]}) == len(variants) + 1


def test_a_refused_model_leaves_nothing_behind(store: ModelStore, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "tiny")
    (folder / "model.safetensors").unlink()

    with pytest.raises(ModelRefused):
        pull(str(folder), store)
    assert list(store.folder.iterdir()) == []


def test_weights_that_do_not_fill_the_model_are_refused(store: ModelStore, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}), "utf-8")

    with pytest.raises(ModelRefused, match=r"lack .*layer\.2"):
        pull(str(folder), store)


@pytest.mark.parametrize("name", ["../up", "a/b/c", "", "a b", ".hidden", "a--b", "org/"])
def test_a_name_that_is_no_name_is_refused(store: ModelStore, made: Path, name: str) -> None:
    with pytest.raises(ModelUnavailable):
        pull(name, store)
    if name:
        with pytest.raises(ModelUnavailable):
            pull(str(made), store, name=name)


@pytest.mark.parametrize("file", ["model.safetensors", "1_Pooling/config.json", "tokenizer.json"])
def test_a_changed_file_is_found_when_the_model_is_loaded(
    store: ModelStore, made: Path, file: str
) -> None:
    card = pull(str(made), store)
    path = store.folder / "tiny" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(CorruptFile, match=file):
        fresh(store).load(card.fingerprint)


def test_a_missing_file_and_a_damaged_record_are_found(store: ModelStore, made: Path) -> None:
    card = pull(str(made), store)
    (store.folder / "tiny" / "vocab.txt").unlink(missing_ok=True)
    (store.folder / "tiny" / "tokenizer.json").unlink()
    with pytest.raises(CorruptFile, match=r"tokenizer\.json"):
        store.load(card.fingerprint)

    (store.folder / "tiny" / "lamina-model.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CorruptFile, match="tiny"):
        store.cards()


def test_drafts_and_unfinished_folders_are_not_models(store: ModelStore, made: Path) -> None:
    card = pull(str(made), store)
    shutil.copytree(store.folder / "tiny", store.folder / ".draft-left")
    shutil.copytree(made, store.folder / "unfinished")

    assert list(store.cards()) == [card]


def test_many_threads_load_an_encoder_once(store: ModelStore, made: Path) -> None:
    card = pull(str(made), store)
    together = threading.Barrier(6)

    def load(_: int) -> int:
        together.wait()
        return id(store.load(card.fingerprint))

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(load, range(6)))) == 1


def test_the_encoder_used_longest_ago_is_dropped(store: ModelStore, tmp_path: Path) -> None:
    cards = [pull(str(write_model(tmp_path / f"m{seed}", seed=seed)), store) for seed in (1, 2, 3)]
    first, second = (store.load(card.fingerprint) for card in cards[:2])
    assert store.load(cards[0].fingerprint) is first
    store.load(cards[2].fingerprint)

    assert store.load(cards[0].fingerprint) is first
    assert store.load(cards[1].fingerprint) is not second


def test_a_model_removed_from_the_folder_is_not_installed(store: ModelStore, made: Path) -> None:
    card = pull(str(made), store)
    shutil.rmtree(store.folder / "tiny")

    with pytest.raises(EncoderNotInstalled):
        store.load(card.fingerprint)


def test_values_that_fp16_cannot_hold_are_refused(store: ModelStore, tmp_path: Path) -> None:
    store.folder.mkdir()
    dense = {"out_features": 8, "activation_function": "torch.nn.modules.linear.Identity"}
    huge = write_model(store.folder / ".draft", dense=dense, scale=1e6, normalize=False)
    card = install(huge, store.folder, name="huge", source="folder", revision=None, probe=False)
    encoder = store.load(card.fingerprint)

    with pytest.raises(UnencodableDocument, match="fp16"):
        encoder.encode(encoder.chunk("", "search", Chunking()).passages)
