"""Everything that was tried to get into Lamina, and what it got: `python -m tests.break_in`.

Each attempt is a row: what was tried, what it got, and whether Lamina held. Routes come from the
application's own map, so that a new one is tried without anybody thinking of it.
"""

import gzip
import json
import re
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import select, update
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from shared.access.making import create_key
from shared.catalog.tables import ApiKeyRow, Row
from shared.domain import LOCAL, Scope
from shared.errors import ArchiveRefused
from shared.transfer.archives.reading import check
from tests.unit.web.installation import KEY, Installation
from tests.worlds import LIMITS
from web.access import NEEDS, Need

OURS, HIDDEN = "c", "vault"
MARKER = "nobody-but-us"
"""In every text, title, id, key and producer of the hidden collection."""
_QUIET_TABLES = frozenset(
    {"audit", "measures", "processes", "alembic_version", "sign_outs", "chores", "leases"}
)
_QUIET_COLUMNS = frozenset({"last_used_at", "first_loaded_at"})
_FORM_TOKEN = re.compile('name="csrf_token" value="[^"]*"')
_FORMS = {"/add": {"collection": OURS, "text": "forged"}, "/collections": {"name": "forged"}}
NASTY = (
    "'", '"', "';--", "' OR '1'='1", "1); DROP TABLE api_keys;--", "%27%20OR%201=1", "\\", "%", "_",
    '"x', "a AND", "NEAR(", "c++", "o'brien", "*", "col:x", "^a", "-a", "{a b}", "(", ")",
    "\u202egnp.exe", "\u2066x\u2069", "\u0000", "a\u0000b", "\ufeff", "\U000e0041", "e\u0301" * 50,
    "\r\nSet-Cookie: a=b", "\n", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd",
    "....//....//etc/passwd", "%2e%2e%2f", "C:\\windows", "file:///etc/passwd", "~", ".", "..", "-",
    "{{7*7}}", "${7*7}", "<script>alert(1)</script>", "$(id)", "`id`", "null", "undefined", "NaN",
    "1e999", "-1", "0x10", str(2**63), str(2**64), "9" * 400, "é" * 3000, "x" * 20_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attempt:
    """One thing that was tried."""

    kind: str
    tried: str
    got: str
    held: bool


@dataclass(frozen=True, slots=True)
class Intruder:
    """Somebody with a key that should not open what they try."""

    name: str
    key: str | None
    scope: Scope | None
    """None for a key that opens nothing at all."""
    bound: bool = False


@dataclass(slots=True)
class Site:
    """A locked installation, with one collection to see and one that is hidden."""

    lamina: Installation
    keys: dict[str, str] = field(default_factory=dict)
    job: str = ""
    letter: str = "document:1"

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """Set it up: two collections with a document each, and keys of every kind."""
        settings: dict[str, Any] = {"access": {"failed_sign_ins": 0}, "admin_key": KEY}
        with Installation.open(folder, **settings) as lamina:
            site = cls(lamina)
            lamina.new_collection(HIDDEN)
            site._fill()
            site._make_keys()
            yield site

    @property
    def intruders(self) -> list[Intruder]:
        """Return whoever tries."""
        return [
            Intruder("no key", None, None),
            Intruder("wrong key", "x" * 30, None),
            Intruder("the admin key and a letter more", KEY + "x", None),
            Intruder("expired key", self.keys["expired"], None),
            Intruder("revoked key", self.keys["revoked"], None),
            Intruder("id of one key, secret of another", self.keys["swapped"], None),
            Intruder("search key", self.keys["search"], Scope.SEARCH),
            Intruder("write key", self.keys["write"], Scope.WRITE),
            Intruder("search key of c", self.keys["search-c"], Scope.SEARCH, bound=True),
            Intruder("write key of c", self.keys["write-c"], Scope.WRITE, bound=True),
            Intruder("admin key of c", self.keys["admin-c"], Scope.ADMIN, bound=True),
        ]

    def client(self, key: str | None = None) -> FlaskClient:
        """Return somebody with this key."""
        return self.lamina.client(key=key)

    def signed_in(self, key: str) -> FlaskClient:
        """Return a browser that signed in with this key."""
        client = self.client()
        token = token_in(client.get("/sign-in"))
        done = client.post("/sign-in", data={"key": key, "csrf_token": token})
        assert done.status_code == 303, done.text
        return client

    def state(self) -> dict[str, list[str]]:
        """Return all that is in the catalog and must not change."""
        state = {}
        with self.lamina.services.database.read() as tx:
            for name, table in Row.metadata.tables.items():
                if name not in _QUIET_TABLES:
                    columns = [one for one in table.columns if one.name not in _QUIET_COLUMNS]
                    state[name] = sorted(str(tuple(row)) for row in tx.execute(select(*columns)))
        return state

    def unchanged(self, kind: str, before: Mapping[str, list[str]]) -> Attempt:
        """Return the row that says whether all of a kind left the catalog as it was."""
        now = self.state()
        changed = [name for name in now if now[name] != before[name]]
        got = f"changed: {', '.join(changed)}" if changed else "every table as it was"
        return Attempt(kind, "all of these together: is the catalog as it was?", got, not changed)

    def _fill(self) -> None:
        admin = self.client(KEY)
        for name, word in ((OURS, "tea"), (HIDDEN, MARKER)):
            document = {"id": f"{word}-id", "title": word, "text": f"{word} text"}
            body = {"documents": [document | {"metadata": {"m": word}}]}
            accepted = admin.post(
                f"/api/v1/collections/{name}/documents",
                json=body,
                headers={"Idempotency-Key": f"{word}-key"},
            )
            assert accepted.status_code == 202, accepted.text
            self.job = accepted.get_json()["job"]["id"]
        self.lamina.index_all()
        tagged = admin.put(f"/api/v1/collections/{HIDDEN}/tags/{MARKER}", json={"version": "head"})
        assert tagged.status_code == 200, tagged.text

    def _make_keys(self) -> None:
        services = self.lamina.services
        for name in ("search", "write", "admin", "expired", "revoked"):
            scope = Scope(name) if name in set(Scope) else Scope.ADMIN
            made = create_key(services.keys, LOCAL, name, scope)
            self.keys[name] = made.text
            if name in set(Scope):
                bound = create_key(services.keys, LOCAL, f"{name} c", scope, collections=[OURS])
                self.keys[f"{name}-c"] = bound.text
            elif name == "expired":
                with services.database.write() as tx:
                    tx.execute(
                        update(ApiKeyRow)
                        .where(ApiKeyRow.id == made.key.id)
                        .values(expires_at=made.key.created_at)
                    )
            else:
                services.keys.revoke(made.key.id)
        prefix = len("lamina_") + 12
        self.keys["swapped"] = self.keys["search"][:prefix] + self.keys["admin"][prefix:]


def token_in(response: TestResponse) -> str:
    """Return the CSRF token of a page's form."""
    return response.text.partition('name="csrf_token" value="')[2].partition('"')[0]


def routes(site: Site) -> Iterator[tuple[Rule, str, Need]]:
    """Yield every route, each of its methods, and what it needs."""
    for rule in site.lamina.app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield rule, method, NEEDS[rule.endpoint]


def address(site: Site, rule: Rule, collection: str, **others: str) -> str:
    """Return an address of a route, with what is there in *collection*."""
    word = MARKER if collection == HIDDEN else "tea"
    values = {
        "name": collection,
        "document_id": f"{word}-id",
        "job_id": site.job,
        "ref": "1",
        "tag": MARKER,
        "key": f"{word}-key",
        "key_id": site.keys["search"].split("_")[1],
        "letter_id": site.letter,
        "webhook_id": f"{word}-webhook",
        "delivery_id": f"{word}-delivery",
        "draft": f"{word}-draft",
        "tag_name": MARKER,
        "slug": "not-found",
        "schema_name": "lamina.submit.v1.json",
        "filename": "lamina.css",
    } | others
    path = rule.rule
    for argument in rule.arguments:
        value = "css/swagger-ui.css" if rule.endpoint == "docs.swagger" else values[argument]
        for pattern in (f"<{argument}>", f"<anything:{argument}>", f"<path:{argument}>"):
            path = path.replace(pattern, quote(value, safe="/" if argument != "name" else ""))
    return path


def ask(client: FlaskClient, method: str, path: str, **more: Any) -> TestResponse:
    """Send a request, with a JSON body where the method has one."""
    if method in ("POST", "PUT", "PATCH") and not more and path.startswith("/api/"):
        more = {"json": {}}
    return client.open(path, method=method, **more)


# --- the attempts -------------------------------------------------------------------------------


def without_scope(site: Site) -> Iterator[Attempt]:
    """Every route, by everybody who lacks what it needs."""
    kind, before = "route x missing scope", site.state()
    for rule, method, need in routes(site):
        if need.scope is None:
            continue
        for who in site.intruders:
            path = address(site, rule, OURS)
            if who.scope is None:
                wanted, what = {401, 302}, "keeps out"
            elif not who.scope.includes(need.scope) or (need.unbound and who.bound):
                wanted, what = {403, 404}, "refuses"
            else:
                continue
            got = ask(site.client(who.key), method, path)
            held = got.status_code in wanted
            if got.status_code == 302:
                held = got.headers["Location"].startswith("/sign-in")
            yield Attempt(
                kind, f"{method} {path} with {who.name}", f"{got.status_code} {what}", held
            )
    yield site.unchanged(kind, before)


def across_collections(site: Site) -> Iterator[Attempt]:
    """Every route that can name the hidden collection, by keys of the other one."""
    kind, before = "cross-collection", site.state()
    for rule, method, need in routes(site):
        if need.scope is None:
            continue
        for who in (one for one in site.intruders if one.bound):
            path = address(site, rule, HIDDEN)
            yield _looked_for(site, kind, who, method, path)
    job, key = site.job, f"{MARKER}-key"
    api = "/api/v1"
    who = next(one for one in site.intruders if one.bound and one.scope is Scope.ADMIN)
    asked: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", f"{api}/jobs?collection={HIDDEN}", None),
        ("GET", f"{api}/chores?collection={HIDDEN}", None),
        ("GET", f"{api}/damages?collection={HIDDEN}", None),
        ("GET", f"{api}/dead-letters?collection={HIDDEN}", None),
        ("GET", f"{api}/why?collection={HIDDEN}&document={MARKER}-id", None),
        ("GET", f"{api}/why?key={key}", None),
        ("GET", f"{api}/collections/{OURS}/search?q=tea&after={job}", None),
        ("POST", f"{api}/collections/{OURS}/search", {"q": "tea", "after": job}),
        ("GET", f"/search?q=tea&collection={HIDDEN}", None),
        ("GET", f"/add?collection={HIDDEN}", None),
        ("POST", f"{api}/dead-letters/replay", {"collection": HIDDEN}),
        ("POST", f"{api}/dead-letters/replay", {"all": True}),
        ("DELETE", f"{api}/dead-letters?collection={HIDDEN}", None),
        ("DELETE", f"{api}/dead-letters?all=true", None),
    ]
    for method, path, body in asked:
        yield _looked_for(site, kind, who, method, path, body)
    yield site.unchanged(kind, before)


def _looked_for(
    site: Site, kind: str, who: Intruder, method: str, path: str, body: Any = None
) -> Attempt:
    """Return whether what is hidden was answered exactly as what is nowhere."""
    client = site.client(who.key)
    more = {} if body is None else {"json": body}
    got = ask(client, method, path, **more)
    text = _FORM_TOKEN.sub("", got.text)
    nowhere = _made_up(site, path)
    tried = f"{method} {path} {body or ''} with {who.name}"
    if nowhere == path and body is None:
        told = MARKER in text or re.search(rf"\b{HIDDEN}\b", text) is not None
        return Attempt(kind, tried, f"{got.status_code}, nothing of it", not told)
    if body is not None:
        more = {"json": json.loads(_made_up(site, json.dumps(body)))}
    other = ask(client, method, nowhere, **more)
    same = other.status_code == got.status_code
    same &= _FORM_TOKEN.sub("", other.text) == _made_up(site, text)
    return Attempt(kind, tried, f"{got.status_code}, as for what is nowhere", same)


def _made_up(site: Site, text: str) -> str:
    """Return *text* with names that nothing has, in place of the hidden ones."""
    job = site.job[:-6] + "abcdef"
    return text.replace(HIDDEN, "vaunt").replace(MARKER, "nobody-at-all").replace(site.job, job)


def forged_forms(site: Site) -> Iterator[Attempt]:
    """Forms without their token, with somebody else's, and from other sites; sign-in included."""
    kind, before = "CSRF", site.state()
    other = token_in(site.client().get("/sign-in"))
    for path, data in [*_FORMS.items(), ("/sign-out", {}), (f"/jobs/{site.job}/cancel", {})]:
        for token in (None, "", "wrong", other):
            client = site.signed_in(site.keys["admin"])
            sent = data if token is None else data | {"csrf_token": token}
            got = client.post(path, data=sent)
            yield _refused(kind, f"POST {path} with token {token and token[:5]!r}", got, 400)
        for header in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            client = site.signed_in(site.keys["admin"])
            token = token_in(client.get("/add"))
            got = client.post(path, data=data | {"csrf_token": token}, headers=header)
            yield _refused(kind, f"POST {path} from a page of another site, {header}", got, 403)
    forged = {"key": KEY, "csrf_token": other}
    got = site.client().post("/sign-in", data=forged)
    yield _refused(kind, "POST /sign-in with the token of another browser (login CSRF)", got, 400)
    browser = site.signed_in(site.keys["admin"])
    path = "/api/v1/collections"
    for type_ in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
        got = browser.post(path, data='{"name": "x"}', content_type=type_)
        yield _refused(kind, f"POST {path} from a browser's session as {type_}", got, 401)
    yield site.unchanged(kind, before)


def rebinding(site: Site) -> Iterator[Attempt]:
    """Other names for this machine, as DNS rebinding uses them, on every route."""
    kind, seen = "DNS rebinding", set()
    hosts = ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "localhost,e")
    for rule, method, _ in routes(site):
        path = address(site, rule, OURS)
        if (method, path) in seen:
            continue
        seen.add((method, path))
        host = hosts[len(seen) % len(hosts)]
        got = ask(site.client(KEY), method, path, headers={"Host": host})
        yield _refused(kind, f"{method} {path} as {host!r}", got, 421)


def nasty_values(site: Site) -> Iterator[Attempt]:
    """SQL, full text, templates, shells, paths, and Unicode that deceives, in every parameter."""
    kind, before = "SQL, FTS, paths, Unicode", site.state()
    admin = site.client(KEY)
    for rule, method, need in routes(site):
        if method not in ("GET", "DELETE") or need.scope is None:
            continue
        for argument in sorted(rule.arguments):
            for value in NASTY[len(rule.endpoint) % 2 :: 2]:  # each value on half of the routes
                path = address(site, rule, "nowhere", **{argument: value})
                yield _harmless(kind, method, path, ask(admin, method, path))
    api = f"/api/v1/collections/{OURS}"
    for number, value in enumerate(NASTY):
        for path in _queries(value)[number % 2 :: 2]:
            yield _harmless(kind, "GET", path, admin.get(path))
        for where, body in _bodies(value):
            got = admin.post(f"{api}{where}", json=body)
            yield _harmless(kind, "POST", f"{where} {str(body)[:60]}", got)
        got = admin.delete(f"{api}/documents/nothing", headers={"Idempotency-Key": _header(value)})
        yield _harmless(kind, "DELETE", f"with Idempotency-Key {value[:30]!r}", got)
    yield site.unchanged(kind, before)


def _queries(value: str) -> list[str]:
    coded = quote(value)
    api = f"/api/v1/collections/{OURS}"
    return [
        f"{api}/search?q=tea&version={coded}",
        f"{api}/search?q=tea&after={coded}",
        f"{api}/search?q=tea&k={coded}",
        f"{api}/search?q={coded}",
        f"{api}/versions?before={coded}",
        f"{api}/versions/1/diff?to={coded}&cursor={coded}",
        f"/api/v1/jobs?collection={coded}",
        f"/api/v1/jobs?status={coded}",
        f"/api/v1/dead-letters?text={coded}",
        f"/api/v1/dead-letters?cursor={coded}&reason={coded}",
        f"/api/v1/why?key={coded}",
        f"/search?q={coded}&collection={coded}",
        f"/sign-in?next={coded}",
    ]


def _bodies(value: str) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("/compare", {"q": value, "before": "1", "after": value}),
        ("/restore", {"version": value, "dry_run": True}),
        ("/documents", {"documents": [{"id": value, "text": ""}]}),
    ]


def _header(value: str) -> str:
    return value.replace("\r", "").replace("\n", "").encode().decode("latin-1")


def _harmless(kind: str, method: str, path: str, got: TestResponse) -> Attempt:
    wrong = [
        got.status_code >= 500,
        "root:" in got.text,
        "Traceback" in got.text,
        got.mimetype == "text/html" and "<script>alert(1)" in got.text,
        any("\n" in value or "\r" in value for _, value in got.headers),
        any(one.startswith("a=b") for one in got.headers.getlist("Set-Cookie")),
    ]
    return Attempt(kind, f"{method} {path[:90]}", str(got.status_code), not any(wrong))


def strange_bodies(site: Site) -> Iterator[Attempt]:
    """Bodies that are too large, say a thing twice, or ask for fields nobody may set."""
    kind, before = "bodies, mass assignment", site.state()
    admin = site.client(KEY)
    api = f"/api/v1/collections/{OURS}"
    document = {"id": "x", "text": "x"}
    mass: list[tuple[str, str, Any]] = [
        ("POST", "/api/v1/keys", {"name": "a", "scope": "search", "created_by": "environment"}),
        ("POST", "/api/v1/keys", {"name": "a", "scope": "search", "id": "0" * 12, "sha256": "x"}),
        ("POST", "/api/v1/keys", {"name": "a", "scope": "root"}),
        ("POST", "/api/v1/keys", {"name": "a", "scope": "admin", "collections": []}),
        ("POST", "/api/v1/keys", {"name": "a\u0000", "scope": "admin"}),
        ("POST", "/api/v1/keys", {"name": "\u202egnp", "scope": "admin"}),
        ("POST", "/api/v1/keys", [{"name": "a", "scope": "search"}]),
        ("POST", "/api/v1/collections", {"name": "a", "id": 1}),
        ("POST", "/api/v1/collections", {"name": "../a"}),
        ("POST", "/api/v1/collections", {"name": "a", "encoder": "../../etc/passwd"}),
        ("PATCH", api, {"name": HIDDEN}),
        ("PATCH", api, {"space": {"encoder": "x"}}),
        ("POST", f"{api}/documents", {"documents": [document | {"state": "indexed"}]}),
        ("POST", f"{api}/documents", {"documents": [document], "collection": HIDDEN}),
        ("POST", f"{api}/documents", {"documents": [document] * 21}),
        ("POST", f"{api}/documents", {"documents": [document | {"id": "x" * 1_000_000}]}),
        ("POST", f"{api}/documents", {"documents": [document | {"metadata": {"a": "\ud800"}}]}),
    ]
    for method, path, body in mass:
        text = json.dumps(body)
        got = admin.open(path, method=method, data=text, content_type="application/json")
        yield _refused(kind, f"{method} {path} {text[:80]}", got, 400, 404, 409, 413, 422)
    raw = [
        b'{"name": "a", "scope": "search", "scope": "admin"}',
        b'{"name": "a", "scope": "search", "days": NaN}',
        b'{"name": "a", "scope": "search", "days": Infinity}',
        b'{"name": "\xff", "scope": "search"}',
        b'{"name": "a", "scope": "search"} {}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"",
        b"\x00",
    ]
    for body in raw:
        got = admin.post("/api/v1/keys", data=body, content_type="application/json")
        yield _refused(kind, f"POST /api/v1/keys {body[:50]!r}", got, 400, 422)
    for type_ in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        got = admin.post("/api/v1/keys", data="{}", content_type=type_)
        yield _refused(kind, f"POST /api/v1/keys as {type_}", got, 415)
    got = admin.post(f"{api}/documents", data=b"x" * 6_000_001, content_type="application/json")
    yield _refused(kind, "a body one byte above the limit", got, 413)
    got = admin.post(
        f"{api}/documents",
        data=b"x",
        headers={"Content-Encoding": "gzip"},
        content_type="application/json",
    )
    yield _refused(kind, "a body that says it is compressed", got, 400, 415, 422)
    yield site.unchanged(kind, before)


def other_verbs(site: Site) -> Iterator[Attempt]:
    """Verbs that a route does not have, and headers that claim another one."""
    kind, before = "verbs", site.state()
    for rule in site.lamina.app.url_map.iter_rules():
        path = address(site, rule, OURS)
        for verb in ("TRACE", "CONNECT", "PROPFIND", "DELETE", "PATCH", "PUT"):
            if verb in (rule.methods or ()) or _has(site, path, verb):
                continue
            got = site.client(KEY).open(path, method=verb)
            yield _refused(kind, f"{verb} {path}", got, 405, 415)
    client = site.client(site.keys["search"])
    path = f"/api/v1/collections/{OURS}/documents/tea-id"
    for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        got = client.post(f"{path}?_method=DELETE", headers={header: "DELETE"}, json={})
        yield _refused(kind, f"POST {path} with {header}: DELETE", got, 403, 404, 405)
    for verb in ("HEAD", "OPTIONS"):
        got = site.client().open("/api/v1/keys", method=verb)
        yield _refused(kind, f"{verb} /api/v1/keys without a key", got, 401)
    got = site.client().open("/api/v1/keys", method="OPTIONS", headers={"Origin": "https://e.e"})
    cors = "Access-Control-Allow-Origin" in got.headers
    yield Attempt(kind, "a preflight from another site", str(got.status_code), not cors)
    yield site.unchanged(kind, before)


def _has(site: Site, path: str, verb: str) -> bool:
    allowed = site.lamina.app.url_map.bind("localhost").allowed_methods(path)
    return verb in allowed


def stolen_sessions(site: Site) -> Iterator[Attempt]:
    """Sessions that were fixed beforehand, forged, copied, or outlived their key."""
    kind = "sessions"
    services = site.lamina.services
    made = create_key(services.keys, LOCAL, "short", Scope.ADMIN)
    browser = site.signed_in(made.text)
    cookie = browser.get_cookie("lamina")
    assert cookie is not None
    flags = f"HttpOnly {cookie.http_only}, SameSite {cookie.same_site}"
    yield Attempt(
        kind, "flags of the cookie", flags, bool(cookie.http_only) and cookie.same_site == "Lax"
    )
    yield Attempt(kind, "the key inside the cookie", "is not there", made.text not in cookie.value)
    fixed = site.client()
    token = token_in(fixed.get("/sign-in"))
    planted = fixed.get_cookie("lamina")
    assert planted is not None
    fixed.post("/sign-in", data={"key": made.text, "csrf_token": token})
    thief = site.client()
    thief.set_cookie("lamina", planted.value)
    yield _shut_out(kind, "the cookie from before a sign-in (fixation)", thief)
    got = fixed.post("/sign-out", data={"csrf_token": token})
    yield _refused(kind, "the form token from before a sign-in", got, 400)
    forged = site.client()
    secret = URLSafeTimedSerializer("guessed", salt="cookie-session")
    forged.set_cookie("lamina", secret.dumps({"key": None, "mark": "x", "session": "y"}))
    yield _shut_out(kind, "a cookie signed with another secret", forged)
    browser.post("/sign-out", data={"csrf_token": token_in(browser.get("/add"))})
    copy = site.client()
    copy.set_cookie("lamina", cookie.value)
    yield _shut_out(kind, "a copy of the cookie after the sign-out", copy)
    again = site.signed_in(made.text)
    opened = again.get("/jobs").status_code == 200
    services.keys.revoke(made.key.id)
    services.keyring.forget()
    yield Attempt(kind, "(the session worked before)", "200", opened)
    yield _shut_out(kind, "a session whose key was revoked", again)
    reader = site.signed_in(site.keys["search"])
    yield _refused(kind, "/api/v1/jobs with a session, not a key", reader.get("/api/v1/jobs"), 401)
    for path, data in _FORMS.items():
        got = reader.post(path, data=data | {"csrf_token": token_in(reader.get("/"))})
        yield _refused(kind, f"POST {path} in the session of a search key", got, 403)


def _shut_out(kind: str, what: str, client: FlaskClient) -> Attempt:
    got = client.get("/jobs")
    where = got.headers.get("Location", "")
    held = got.status_code == 302 and where.startswith("/sign-in")
    return Attempt(kind, what, f"{got.status_code} {where}", held)


def redirects(site: Site) -> Iterator[Attempt]:
    """Addresses that a sign-in could lead to elsewhere."""
    kind = "open redirect"
    away = ("//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example",
            "javascript:alert(1)", "/\t/evil.example", "///evil.example", "/%09/evil.example",
            " //evil.example", "http:evil.example", "/\r\nLocation: //e.example")  # fmt: skip
    for wanted in away:
        client = site.client()
        token = token_in(client.get("/sign-in"))
        data = {"key": KEY, "next": wanted, "csrf_token": token}
        where = client.post("/sign-in", data=data).headers.get("Location", "")
        held = where == "/" or (where.startswith("/%09/") and "//" not in where)
        yield Attempt(kind, f"sign-in, next={wanted!r}", where, held)


def paths(site: Site) -> Iterator[Attempt]:
    """Ways out of the folder of static files."""
    kind = "path traversal"
    up = ("../__init__.py", "..%2f__init__.py", "%2e%2e/security.py", "vendor/../../wsgi.py",
          "..\\wsgi.py", "..%5cwsgi.py", "/etc/passwd", "%2fetc%2fpasswd", "....//wsgi.py",
          "a%00.css", "%252e%252e/wsgi.py", ".", "vendor")  # fmt: skip
    for prefix in ("/static/", "/openapi/swagger/", "/api/v1/schemas/", "/problems/"):
        for path in up:
            got = site.client(KEY).get(prefix + path)
            yield _refused(kind, f"GET {prefix}{path}", got, 301, 308, 400, 404, 405)


def archives(site: Site) -> Iterator[Attempt]:
    """Archives whose members would lie elsewhere, are links or devices, or are no archives."""
    kind, folder = "archives", site.lamina.services.settings.data_dir
    members = [
        ("../../lamina.json", tarfile.REGTYPE),
        ("/etc/passwd", tarfile.REGTYPE),
        ("lamina.json/../../x", tarfile.REGTYPE),
        ("lamina.json", tarfile.SYMTYPE),
        ("lamina.json", tarfile.LNKTYPE),
        ("lamina.json", tarfile.CHRTYPE),
        ("lamina.json", tarfile.DIRTYPE),
    ]
    for name, type_ in members:
        path = folder / "hostile.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = type_, "/etc/passwd"
            tar.addfile(member)
        yield _read_archive(kind, f"a member {name!r} of type {type_!r}", path)
    path.write_bytes(gzip.compress(b"\0" * 50_000_000))
    yield _read_archive(kind, "50 MB of zeros in 50 kB", path)
    path.write_bytes(b"PK\x03\x04" * 100)
    yield _read_archive(kind, "a zip by another name", path)


def _read_archive(kind: str, what: str, path: Path) -> Attempt:
    try:
        check(path, LIMITS, lambda _done, _total: None)
    except ArchiveRefused as error:
        return Attempt(kind, what, str(error), held=True)
    return Attempt(kind, what, "was read", held=False)


def _refused(kind: str, what: str, got: TestResponse, *statuses: int) -> Attempt:
    return Attempt(kind, what, str(got.status_code), got.status_code in statuses)


KINDS: tuple[Callable[[Site], Iterator[Attempt]], ...] = (
    without_scope,
    across_collections,
    forged_forms,
    rebinding,
    nasty_values,
    strange_bodies,
    other_verbs,
    stolen_sessions,
    redirects,
    paths,
    archives,
)


def main(arguments: list[str]) -> int:
    """Print the table; every row with `--all`. Return 1 if something did not hold."""
    from tests.break_in_sockets import over_sockets  # noqa: PLC0415 - it starts a server

    with tempfile.TemporaryDirectory() as folder:
        with Site.open(Path(folder) / "site") as site:
            rows = [row for kind in KINDS for row in kind(site)]
        rows += over_sockets(Path(folder) / "server")
    totals, held = Counter(row.kind for row in rows), Counter(row.kind for row in rows if row.held)
    for row in rows:
        if "--all" in arguments or not row.held:
            print(f"{'held' if row.held else 'OPEN'}  {row.kind}: {row.tried} -> {row.got}")
    print("\n| tried | attempts | held |\n| --- | --- | --- |")
    for kind, total in totals.items():
        print(f"| {kind} | {total} | {held[kind]} |")
    print(f"| together | {len(rows)} | {sum(held.values())} |")
    return int(len(rows) != sum(held.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
