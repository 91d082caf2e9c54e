"""Maps of collections, asked for over HTTP, drawn by a worker, and looked at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.domain import ChoreKind, Json
from shared.index import manifests
from shared.projecting.mapping import draw_next
from shared.services import open_purger, open_studio
from shared.trust.purging import purge
from tests.unit.web.installation import Installation, body_of, problem_of

MAP = "/api/v1/collections/c/map"


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, limits={"map_points": 30, "documents": 100}) as installation:
        documents: list[dict[str, Json]] = [
            {
                "id": f"{kind}/{n}",
                "title": f"{kind} {n}",
                "text": f"{kind} " * 5 + str(n),
                "metadata": {"kind": kind, "n": n},
            }
            for kind in ("tea", "ship")
            for n in range(20)
        ]
        installation.add(*documents)
        installation.index_all()
        yield installation


def ask(lamina: Installation, status: int = 202, **body: Any) -> dict[str, Any]:
    response = lamina.client().post(MAP, json=body)
    assert response.status_code == status, response.text
    return body_of(response)


def draw(lamina: Installation) -> None:
    assert draw_next(open_studio(lamina.services))
    assert not draw_next(open_studio(lamina.services))


def seen(lamina: Installation, query: str = "") -> dict[str, Any]:
    response = lamina.client().get(MAP + query)
    assert response.status_code == 200, response.text
    return body_of(response)


def test_a_map_is_drawn_in_the_background_and_kept_with_its_version(lamina: Installation) -> None:
    problem_of(lamina.client().get(MAP), 404, "map-not-found")
    wanted = ask(lamina)
    assert (wanted["state"], wanted["version"], wanted["sample"]) == ("wanted", 1, 30)
    assert seen(lamina)["map"] is None

    draw(lamina)
    shown = seen(lamina)
    drawn = shown["map"]
    assert shown["state"] == ask(lamina, 200)["state"] == "done"
    assert (drawn["method"], drawn["vectors"], len(drawn["points"])) == ("pca+tsne", 40, 30)
    assert drawn["fields"] == ["kind", "n"]
    assert drawn["by"] is None
    assert {point["id"].split("/")[0] for point in drawn["points"]} == {"tea", "ship"}
    chore = lamina.services.chores.chores(limit=1)[0]
    assert (chore.kind, chore.detail) == (ChoreKind.MAP, "Map of 30 passages of version 1")

    lamina.add({"id": "tea/0", "title": "new title", "text": "other"})
    lamina.index_all()
    assert seen(lamina)["map"] == drawn, "it is that of its version"
    problem_of(lamina.client().get(f"{MAP}?version=head"), 404, "map-not-found")
    assert ask(lamina)["version"] == 2


def test_a_map_is_coloured_by_a_field_and_a_query_has_a_place_on_it(lamina: Installation) -> None:
    ask(lamina, seed=5)
    draw(lamina)
    by_kind = seen(lamina, "?by=kind&q=tea+tea+tea")["map"]
    near = by_kind["query"]["nearest"]

    assert sorted(by_kind["labels"]) == ["ship", "tea"]
    assert len(near) == 5
    assert {one["id"].split("/")[0] for one in near} == {"tea"}
    assert min(one["x"] for one in near) <= by_kind["query"]["x"] <= max(one["x"] for one in near)
    assert near[0]["score"] >= near[-1]["score"]
    assert len(seen(lamina, "?by=n")["map"]["labels"]) == 5
    problem_of(lamina.client().get(f"{MAP}?by=nothing"), 422, "invalid-request")
    problem_of(lamina.client().get(f"{MAP}?q=+"), 422, "invalid-request")


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        ({"sample": 31}, 422, "invalid-request"),
        ({"seed": -1}, 422, "invalid-request"),
        ({"version": 7}, 404, "version-not-found"),
        ({"version": "no-tag"}, 404, "tag-not-found"),
        ({"colour": "red"}, 422, "invalid-request"),
    ],
)
def test_a_wish_that_cannot_be_granted_changes_nothing(
    lamina: Installation, body: dict[str, Any], status: int, slug: str
) -> None:
    problem_of(lamina.client().post(MAP, json=body), status, slug)
    assert not draw_next(open_studio(lamina.services))


def test_a_purged_document_is_on_no_map_any_more(lamina: Installation) -> None:
    ask(lamina, sample=30)
    draw(lamina)
    gone = seen(lamina)["map"]["points"][0]["id"]
    purge(open_purger(lamina.services), "c", gone)

    left = seen(lamina)["map"]
    assert gone not in {point["id"] for point in left["points"]}
    assert len(left["points"]) == 29


def test_a_damaged_version_is_not_drawn_and_says_why(lamina: Installation) -> None:
    ask(lamina)
    head = lamina.services.reading.head(lamina.services.collections.get("c").id)
    (lamina.services.settings.data_dir / "index" / manifests.key_of(head)).write_bytes(b"{}")

    draw(lamina)
    failed = seen(lamina)
    assert failed["state"] == "failed"
    assert "manifest" in failed["detail"]
    assert lamina.services.chores.damages()
    page = lamina.client().get("/collections/c/map").text
    assert "could not be drawn" in page
    assert ask(lamina)["state"] == "wanted"


def test_a_version_without_passages_has_an_empty_map(lamina: Installation) -> None:
    lamina.new_collection("empty")
    lamina.client().post("/api/v1/collections/empty/map", json={})
    draw(lamina)
    shown = body_of(lamina.client().get("/api/v1/collections/empty/map?q=x"))

    assert (shown["map"]["points"], shown["map"]["query"]) == ([], None)
    assert "nothing to draw" in lamina.client().get("/collections/empty/map").text
