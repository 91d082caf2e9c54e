"""Keys over HTTP: what each may see and do, how it begins and ends, and the record of acts."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.access.keyring import Keyring
from shared.access.making import create_key
from shared.catalog import SqlKeys
from shared.domain import LOCAL, Scope
from shared.errors import CatalogUnavailable, RateLimited
from tests.redis_server import RedisServer
from tests.unit.web.installation import KEY, Installation, body_of, problem_of
from web.access import NEEDS
from web.rates import Rates

API = "/api/v1"


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, admin_key=KEY) as installation:
        installation.new_collection("other")
        yield installation


def key_for(lamina: Installation, scope: str, *collections: str) -> str:
    made = create_key(
        lamina.services.keys, LOCAL, f"{scope} key", Scope(scope), collections=collections or None
    )
    return made.text


def sign_in(lamina: Installation, key: str) -> FlaskClient:
    client = lamina.client()
    client.post("/sign-in", data={"key": key, "csrf_token": token_in(client, "/sign-in")})
    return client


def token_in(client: FlaskClient, path: str) -> str:
    return client.get(path).text.partition('name="csrf_token" value="')[2].partition('"')[0]


def submit(client: FlaskClient, collection: str) -> str:
    body = {"documents": [{"id": f"of {collection}", "text": "x"}]}
    accepted = client.post(f"{API}/collections/{collection}/documents", json=body)
    assert accepted.status_code == 202, accepted.text
    return str(body_of(accepted)["job"]["id"])


def acts(lamina: Installation) -> list[tuple[str, str, dict[str, str], str | None]]:
    entries = body_of(lamina.client(key=KEY).get(f"{API}/audit"))["entries"]
    return [(one["who"], one["what"], one["target"], one["outcome"]) for one in entries]


def test_every_route_says_what_it_needs(lamina: Installation) -> None:
    endpoints = {rule.endpoint for rule in lamina.app.url_map.iter_rules()}

    assert endpoints - set(NEEDS) == set(), "routes that nobody thought about: see web/access.py"
    assert set(NEEDS) - endpoints == set(), "needs of routes that are gone"
    for rule in lamina.app.url_map.iter_rules():
        assert re.search("/collections/<(?!name>)", rule.rule) is None, "the check looks for <name>"


def test_a_route_that_was_forgotten_is_closed(lamina: Installation) -> None:
    lamina.app.add_url_rule("/api/v1/forgotten", "forgotten", lambda: "secret")

    problem_of(lamina.client().get(f"{API}/forgotten"), 401, "unauthorized")
    for scope in ("search", "write"):
        client = lamina.client(key=key_for(lamina, scope))
        problem_of(client.get(f"{API}/forgotten"), 403, "forbidden")
    bound = lamina.client(key=key_for(lamina, "admin", "c"))
    problem_of(bound.get(f"{API}/forgotten"), 403, "forbidden")
    assert lamina.client(key=KEY).get(f"{API}/forgotten").status_code == 200


def test_a_key_is_made_shown_once_used_and_revoked(lamina: Installation) -> None:
    admin = lamina.client(key=KEY)
    asked = {"name": "site", "scope": "search", "collections": ["c"], "days": 30}
    made = admin.post(f"{API}/keys", json=asked)
    key, key_id = body_of(made)["key"], body_of(made)["details"]["id"]
    who = body_of(lamina.client(key=key).get(f"{API}/whoami"))
    lamina.services.keyring.stamp()
    shown = admin.get(made.headers["Location"])

    assert made.status_code == 201
    assert key.startswith(f"lamina_{key_id}_")
    assert who == {"name": "site", "key_id": key_id, "scope": "search", "collections": ["c"]}
    assert body_of(shown)["created_by"] == "environment"
    assert body_of(shown)["last_used_at"] is not None
    assert key.rpartition("_")[2] not in shown.text + admin.get(f"{API}/keys").text
    revoked = admin.delete(f"{API}/keys/{key_id}")
    assert body_of(revoked)["status"] == "revoked"
    problem_of(lamina.client(key=key).get(f"{API}/whoami"), 401, "unauthorized")
    problem_of(admin.get(f"{API}/keys/nothing"), 404, "key-not-found")
    problem_of(admin.delete(f"{API}/keys/nothing"), 404, "key-not-found")


def test_the_first_key_closes_an_open_installation_and_no_end_of_it_opens_it(
    tmp_path: Path,
) -> None:
    with Installation.open(tmp_path) as lamina:
        assert body_of(lamina.client().get(f"{API}/whoami"))["name"] == "local"
        made = lamina.client().post(f"{API}/keys", json={"name": "first", "scope": "admin"})
        problem_of(lamina.client().get(f"{API}/whoami"), 401, "unauthorized")
        assert lamina.client().get("/jobs").status_code == 302
        admin = lamina.client(key=body_of(made)["key"])
        assert admin.delete(made.headers["Location"]).status_code == 200
        problem_of(lamina.client().get(f"{API}/whoami"), 401, "unauthorized")


def test_another_process_notices_the_first_key_within_a_second(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as lamina:
        assert lamina.client().get(f"{API}/whoami").status_code == 200
        create_key(SqlKeys(lamina.services.database), LOCAL, "by the CLI", Scope.ADMIN)
        deadline = time.monotonic() + 1.5
        while lamina.client().get(f"{API}/whoami").status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_lists_show_what_the_key_opens(lamina: Installation) -> None:
    admin = lamina.client(key=KEY)
    jobs = {name: submit(admin, name) for name in ("c", "other")}
    client = lamina.client(key=key_for(lamina, "search", "c", "not-there-yet"))

    def listed(path: str, name: str) -> list[dict[str, Any]]:
        found = body_of(client.get(f"{API}/{path}"))[name]
        assert isinstance(found, list)
        return found

    assert [one["name"] for one in listed("collections", "collections")] == ["c"]
    assert [one["id"] for one in listed("jobs", "jobs")] == [jobs["c"]]
    assert [one["name"] for one in listed("status", "collections")] == ["c"]
    assert "other" not in client.get(f"{API}/chores").text
    problem_of(client.get(f"{API}/jobs?collection=other"), 404, "collection-not-found")
    problem_of(client.get(f"{API}/jobs/{jobs['other']}"), 404, "job-not-found")
    assert client.get(f"{API}/jobs/{jobs['c']}").status_code == 200


def test_a_bound_key_opens_a_collection_from_its_creation_on(lamina: Installation) -> None:
    client = lamina.client(key=key_for(lamina, "search", "later"))
    problem_of(client.get(f"{API}/collections/later"), 404, "collection-not-found")
    lamina.new_collection("later")

    assert client.get(f"{API}/collections/later").status_code == 200


def test_pages_offer_what_the_key_may_do(lamina: Installation) -> None:
    reader = sign_in(lamina, key_for(lamina, "search", "c"))
    writer = sign_in(lamina, key_for(lamina, "write", "c"))
    admin = sign_in(lamina, KEY)

    assert 'href="/add' not in reader.get("/").text + reader.get("/collections/c").text
    assert 'href="/add' in writer.get("/").text
    for client in (reader, writer):
        page = client.get("/collections").text
        assert "Create collection" not in page
        assert "other" not in page
        assert client.get("/collections/other").status_code == 404
    assert "Create collection" in admin.get("/collections").text
    assert '<option value="other"' not in writer.get("/add").text
    assert reader.get("/add").status_code == 403
    for name, status in (("c", 303), ("other", 422)):
        data = {"collection": name, "text": "x", "csrf_token": token_in(writer, "/add")}
        assert writer.post("/add", data=data).status_code == status


def test_acts_are_recorded_with_who_and_how_they_went(lamina: Installation) -> None:
    admin, writer = lamina.client(key=KEY), lamina.client(key=key_for(lamina, "write"))
    job = submit(writer, "c")
    writer.post(f"{API}/jobs/{job}/cancel", json={})
    admin.post(f"{API}/collections", json={"name": "fresh"})
    admin.post(f"{API}/collections", json={"name": "fresh"})
    admin.put(f"{API}/collections/c/tags/before", json={"version": "head"})
    writer.put(f"{API}/collections/c/tags/before", json={"version": "head"})
    admin.post(f"{API}/collections/c/documents/of%20c/purge", json={})
    secret = body_of(admin.post(f"{API}/keys", json={"name": "k", "scope": "search"}))
    key_id = secret["details"]["id"]
    admin.delete(f"{API}/keys/{key_id}")
    found = acts(lamina)

    made = {"key": key_id, "name": "k", "scope": "search"}
    tag = {"collection": "c", "tag": "before"}
    assert found == [
        ("environment", "key.revoke", {"key": key_id}, "done"),
        ("environment", "key.create", made, "done"),
        ("environment", "document.purge", {"collection": "c", "document": "of c"}, "done"),
        ("environment", "tag.set", tag, "done"),
        ("environment", "collection.create", {"collection": "fresh"}, "refused (409)"),
        ("environment", "collection.create", {"collection": "fresh"}, "done"),
        ("write key", "job.cancel", {"job": job}, "done"),
    ]
    assert secret["key"] not in admin.get(f"{API}/audit").text
    entry = body_of(admin.get(f"{API}/audit?limit=1"))["entries"][0]
    assert entry["address"] == "127.0.0.1"
    problem_of(writer.get(f"{API}/audit"), 403, "forbidden")


def test_an_act_that_cannot_be_recorded_does_not_happen(
    lamina: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> int:
        raise CatalogUnavailable

    admin = lamina.client(key=KEY)
    monkeypatch.setattr(type(lamina.services.audit), "begin", away)
    refused = admin.post(f"{API}/collections", json={"name": "fresh"})

    problem_of(refused, 503, "catalog-unavailable")
    assert admin.get(f"{API}/collections/fresh").status_code == 404


def test_a_key_that_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    access = {"requests_per_second": 0.2, "burst_seconds": 20}
    with Installation.open(tmp_path, admin_key=KEY, access=access) as lamina:
        client, other = lamina.client(key=KEY), lamina.client(key=key_for(lamina, "search"))
        answers = [client.get(f"{API}/whoami") for _ in range(9)]
        late = answers[-1]

        assert answers[0].headers["RateLimit-Policy"] == '"key";q=4;w=20'
        assert answers[0].headers["RateLimit"].startswith('"key";r=3;t=')
        problem_of(late, 429, "rate-limited")
        assert 1 <= int(late.headers["Retry-After"]) <= 40
        assert '"key";r=0;t=' in late.headers["RateLimit"]
        assert other.get(f"{API}/whoami").status_code == 200


def test_wrong_keys_are_refused_unseen_after_a_while_but_no_key_of_ours_is(tmp_path: Path) -> None:
    with Installation.open(tmp_path, admin_key=KEY, access={"failed_sign_ins": 3}) as lamina:
        made = key_for(lamina, "search")
        for _ in range(3):
            problem_of(lamina.client(key="guess").get(f"{API}/whoami"), 401, "unauthorized")
        limited = lamina.client(key="guess").get(f"{API}/whoami")

        problem_of(limited, 429, "rate-limited")
        assert limited.headers["Retry-After"] == "60"
        assert lamina.client(key=made).get(f"{API}/whoami").status_code == 200
        data = {"key": "guess", "csrf_token": token_in(lamina.client(), "/sign-in")}
        assert lamina.client().post("/sign-in", data=data).status_code in (400, 429)


def test_web_processes_count_together_on_redis_and_alone_while_it_is_away(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        first = Rates(server.url, per_second=0, burst=1, failures=2)
        second = Rates(server.url, per_second=0, burst=1, failures=2)
        for rates in (first, second):
            rates.check_failures("10.0.0.1")
            rates.count_failure("10.0.0.1")
        for rates in (first, second):
            with pytest.raises(RateLimited, match="Too many wrong keys"):
                rates.check_failures("10.0.0.1")
        server.kill()
        began = time.monotonic()
        third = Rates(server.url, per_second=0, burst=1, failures=1)
        third.count_failure("10.0.0.2")
        with pytest.raises(RateLimited, match="Too many wrong keys"):
            third.check_failures("10.0.0.2")
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "10.9.9.9", "127.0.0.1"),
        (1, "10.9.9.9", "10.9.9.9"),
        (1, "10.6.6.6, 10.9.9.9", "10.9.9.9"),
        (2, "10.6.6.6, 10.7.7.7, 10.9.9.9", "10.7.7.7"),
        (2, "10.9.9.9", "127.0.0.1"),
    ],
)
def test_only_what_our_own_proxies_added_is_believed(
    tmp_path: Path, proxies: int, forwarded: str, address: str
) -> None:
    with Installation.open(tmp_path, admin_key=KEY, web={"proxies": proxies}) as lamina:
        headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Host": "evil.example"}
        got = lamina.client(key=KEY).post(f"{API}/keys", json={}, headers=headers)
        entries = lamina.services.audit.entries(limit=1)

    believes_host = proxies == 1
    assert got.status_code == (421 if believes_host else 422)
    if not believes_host:
        assert entries[0].act.address == address


def test_a_proxy_of_ours_says_whether_it_was_https(tmp_path: Path) -> None:
    with Installation.open(tmp_path, web={"proxies": 1}) as lamina:
        https = {"X-Forwarded-Proto": "https", "Origin": "https://localhost"}
        plain = {"X-Forwarded-Proto": "https", "Origin": "http://localhost"}
        answers = [lamina.client().get("/livez", headers=one) for one in (https, plain)]

    assert [one.status_code for one in answers] == [200, 403]


def test_a_key_of_the_environment_needs_no_catalog(lamina: Installation) -> None:
    keyring = Keyring(lamina.services.keys, KEY)

    assert keyring.closed
    assert keyring.caller(KEY.encode()) is not None
