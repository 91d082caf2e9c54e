"""`/metrics`: what processes did and how they are, as Prometheus reads it."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from shared.access.making import create_key
from shared.catalog import Database, SqlMeasures
from shared.domain import LOCAL, Condition, Scope, Series
from shared.errors import CatalogUnavailable
from shared.measures.instruments import INSTRUMENTS, PASS_PASSAGES, TOKENS, Kind
from shared.measures.tally import Tally, hand_over
from tests.unit.web.installation import KEY, Installation, body_of
from web.metrics import Exposition

Scrape = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(lamina: Installation) -> Scrape:
    """Return every sample, after all processes handed over what they counted."""
    hand_over(lamina.services.measures, lamina.services.tally)
    lamina.app.extensions["metrics"] = Exposition(lamina.services)  # that nothing is remembered
    response = lamina.client(key=KEY).get("/metrics")
    assert response.status_code == 200, response.text
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(response.text)
        for one in family.samples
    }


def value(found: Scrape, name: str, **labels: str) -> float:
    return found[f"lamina_{name}", frozenset(labels.items())]


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, admin_key=KEY, metrics={"collections": 1}) as installation:
        yield installation


def test_what_is_done_is_counted_and_what_waits_is_shown(lamina: Installation) -> None:
    client, services = lamina.client(key=KEY), lamina.services
    lamina.new_collection("small")
    services.roster.beat("host:1", "index", Condition(memory_bytes=300, trouble="The disk."))
    services.roster.beat("host:2", "index", Condition(memory_bytes=500))
    services.roster.beat("host:3", "web", Condition(searches=2, behind=1))
    documents = [{"id": "a", "text": "one two three"}, {"id": "b", "text": "four"}]
    where = "/api/v1/collections/c/documents"
    assert client.post(where, json={"documents": documents}).status_code == 202

    before = scrape(lamina)
    lamina.index_all()
    searched = client.get("/api/v1/collections/c/search?q=three&min_version=1")
    assert searched.status_code == 200, searched.text
    assert client.get("/nowhere/private-name").status_code == 404
    after = scrape(lamina)

    assert value(before, "backlog_documents", lane="interactive") == 2
    assert value(before, "backlog_characters", lane="interactive") == 17
    assert value(before, "backlog_documents", lane="bulk") == 0
    assert value(before, "collection_waiting_documents", collection="c") == 2
    assert value(after, "backlog_documents", lane="interactive") == 0
    assert value(after, "documents_total", outcome="indexed") == 2
    assert value(after, "claims_total", ending="closed") == 1
    assert value(after, "claim_documents_bucket", le="1.0") == 0
    assert value(after, "claim_documents_bucket", le="2.0") == 1
    assert value(after, "claim_documents_bucket", le="+Inf") == 1
    assert value(after, "claim_documents_sum") == 2
    assert value(after, "claim_documents_count") == 1
    tokens = value(after, "encoded_tokens_total")
    assert 0 < tokens <= value(after, "encoded_padded_tokens_total")
    for stage in ("plan", "encode", "write", "publish"):
        assert value(after, "index_stage_seconds_count", stage=stage) == 1
    assert value(after, "searchable_seconds_count") == 2
    for stage in ("wait", "encode", "search", "fetch", "total"):
        assert value(after, "search_stage_seconds_count", stage=stage) == 1
    route = "/api/v1/collections/<name>/search"
    assert value(after, "http_requests_total", method="GET", route=route, status="200") == 1
    assert value(after, "http_request_seconds_count", route=route) == 1
    assert value(after, "http_requests_total", method="GET", route="none", status="404") == 1
    assert not any("private-name" in one for _, labels in after for _, one in labels)
    assert value(after, "collection_documents", collection="c") == 2
    assert ("lamina_collection_documents", frozenset({("collection", "small")})) not in after
    assert value(after, "processes", kind="index") == 2
    assert value(after, "processes", kind="intake") == 0
    assert value(after, "processes_in_trouble", kind="index") == 1
    assert value(after, "resident_memory_bytes", kind="index") == 800
    assert value(after, "largest_process_bytes", kind="index") == 500
    assert value(after, "searches_in_flight") == 2
    assert value(after, "versions_behind") == 1
    assert value(after, "catalog_up") == 1
    assert value(after, "broker_up") == 0
    assert value(after, "disk_free_bytes") > 0


def test_files_and_rebuilds_that_wait_are_shown_wherever_one_looks(lamina: Installation) -> None:
    client = lamina.client(key=KEY)
    where = "/api/v1/collections/c"
    documents = [{"id": "a", "text": "one two three"}, {"id": "b", "text": "four"}]
    client.post(f"{where}/documents", json={"documents": documents})
    lamina.index_all()
    files = {"files": [(BytesIO(b"Ebb."), "a.txt"), (BytesIO(b"Flow."), "b.txt")]}
    assert client.post(f"{where}/files", data=files).status_code == 202
    cut = {"chunking": {"mode": "none"}}
    assert client.post(f"{where}/rebuild", json=cut).status_code == 202

    found = scrape(lamina)
    status = body_of(client.get("/api/v1/status"))
    page = client.get("/operation").text

    assert value(found, "backlog_files") == 2
    assert value(found, "backlog_files_bytes") == 9
    assert value(found, "claimed_files") == 0
    assert value(found, "backlog_documents", lane="rebuild") == 2
    assert value(found, "backlog_characters", lane="rebuild") == 17
    assert value(found, "rebuilds", state="building") == 1
    assert value(found, "rebuilds", state="blocked") == 0
    assert value(found, "spool_free_bytes") > 0
    assert (status["files"]["waiting"], status["files"]["bytes"]) == (2, 9)
    (rebuild,) = status["rebuilds"]
    assert (rebuild["collection"], rebuild["of"], rebuild["done"]) == ("c", 2, 0)
    numbers = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page))
    assert (numbers["Files unread"], numbers["Rebuilds"]) == ("2", "1")


def test_every_instrument_is_shown_once_something_happened(lamina: Installation) -> None:
    for instrument in INSTRUMENTS:
        labels = dict.fromkeys(instrument.labels, "x")
        if instrument.kind is Kind.COUNTER:
            lamina.services.tally.add(instrument, 1, **labels)
        elif instrument.kind is Kind.HISTOGRAM:
            lamina.services.tally.observe(instrument, 10**9, **labels)
    collection = lamina.services.collections.get("c")
    lamina.services.chores.sample(collection.id, version=0, k=10, recall=0.5)

    found = scrape(lamina)

    shown = {name.removesuffix("_count") for name, _ in found}
    unseen = {"lamina_queue_messages", "lamina_chores_active"}  # no broker, no upkeep here
    assert {one.name for one in INSTRUMENTS} - shown == unseen
    assert value(found, "live_recall", collection="c") == 0.5
    assert value(found, "pass_seconds_bucket", le="120.0") == 0
    assert value(found, "pass_seconds_bucket", le="+Inf") == 1


def test_buckets_of_other_borders_count_as_far_as_they_can(lamina: Installation) -> None:
    lamina.services.tally.observe(PASS_PASSAGES, 3)
    bucket = Series("lamina_pass_passages_bucket", (("le", "5.0"),))
    lamina.services.measures.add({bucket: 1.0})  # as a Lamina with other borders wrote it

    found = scrape(lamina)

    assert value(found, "pass_passages_bucket", le="4.0") == 1
    assert value(found, "pass_passages_bucket", le="8.0") == 2
    assert value(found, "pass_passages_count") == 2


def test_while_the_catalog_is_away_counts_wait_and_only_that_is_told(
    lamina: Installation, tmp_path: Path
) -> None:
    away = SqlMeasures(Database(f"sqlite:///{tmp_path / 'no folder' / 'catalog.db'}"))
    tally = Tally()
    tally.add(TOKENS, 5)
    with pytest.raises(CatalogUnavailable):
        hand_over(away, tally)
    tally.add(TOKENS, 2)
    hand_over(lamina.services.measures, tally)
    hand_over(lamina.services.measures, tally)
    assert value(scrape(lamina), "encoded_tokens_total") == 7

    with lamina.services.database.write() as tx:
        tx.execute(text("ALTER TABLE processes RENAME TO gone"))
    lamina.app.extensions["metrics"] = Exposition(lamina.services)
    told = lamina.client(key=KEY).get("/metrics").text

    assert "\nlamina_catalog_up 0.0\n" in told
    assert "\nlamina_backlog_documents" not in told


def test_a_key_for_metrics_opens_nothing_else_and_no_lesser_key_opens_them(
    lamina: Installation,
) -> None:
    def status(scope: Scope, path: str, *collections: str) -> int:
        made = create_key(
            lamina.services.keys, LOCAL, "key", scope, collections=collections or None
        )
        return lamina.client(key=made.text).get(path).status_code

    assert status(Scope.METRICS, "/metrics") == 200
    assert status(Scope.ADMIN, "/metrics") == 200
    assert status(Scope.METRICS, "/metrics", "c") == 403
    for scope in (Scope.SEARCH, Scope.WRITE):
        assert status(scope, "/metrics") == 403
    for path in ("/api/v1/whoami", "/api/v1/status", "/api/v1/collections", "/version"):
        assert status(Scope.METRICS, path) == 403
    assert lamina.client().get("/metrics").status_code == 401
