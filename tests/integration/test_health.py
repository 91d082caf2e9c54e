"""`/livez`, `/readyz` and `/version` say what is so, and why."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain import Collection, Head
from shared.ports import Reading
from shared.services import INDEX_FORMAT
from tests.unit.web.installation import KEY, Installation, body_of


class Broken:
    """A reading with a fault that nobody thought of."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def counter(self) -> int:
        raise ZeroDivisionError

    def heads(self) -> dict[int, Head]:
        return dict(self._reading.heads())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_process_that_has_lost_a_thread_asks_to_be_started_again(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as lamina:
        lamina.app.extensions["background"].start()
        well = lamina.client().get("/livez")
        snapshots = lamina.services.snapshots
        snapshots._stacks = replace(snapshots._stacks, reading=Broken(snapshots._stacks.reading))  # type: ignore[arg-type]  # half of one
        deadline = time.monotonic() + 10
        while not snapshots.lost and time.monotonic() < deadline:
            time.sleep(0.01)
        lost = lamina.client().get("/livez")

    assert well.status_code == 200
    assert body_of(well) == {"ready": True, "reasons": [], "warnings": []}
    assert lost.status_code == 503
    assert body_of(lost)["reasons"] == ["Nothing follows the newest versions any more."]
    assert not snapshots.lost, "it was told to end, so it is not missed"


def test_readyz_warns_of_what_is_refused_and_version_tells_what_runs(tmp_path: Path) -> None:
    limits = {"backlog": 1}
    with Installation.open(tmp_path, limits=limits, admin_key=KEY) as lamina:
        client = lamina.client(key=KEY)
        posted = client.post(
            "/api/v1/collections/c/documents", json={"documents": [{"text": "one"}]}
        )
        lamina.services.backlog._count.forget()
        warnings = body_of(lamina.client().get("/readyz"))["warnings"]
        version = body_of(client.get("/version"))
        nobody = lamina.client().get("/version")
        collection: Collection = lamina.services.collections.get("c")

    assert posted.status_code == 202
    assert any("No documents are taken in: 1 documents wait" in one for one in warnings)
    assert any("No index worker is alive" in one for one in warnings)
    assert any("No parser is alive" in one for one in warnings)
    assert version["lamina"] == "0.1.0"
    assert version["schema_found"] == version["schema_known"]
    assert version["index_format"] == INDEX_FORMAT
    assert version["encoder_fingerprint"] == collection.space.fingerprint
    assert version["libraries"]["flask"].startswith("3.")
    assert nobody.status_code == 401
