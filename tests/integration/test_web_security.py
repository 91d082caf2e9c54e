"""Nobody gets in who should not: names, origins, the key, forged forms, headers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from shared.errors import ConfigurationError
from tests.unit.web.installation import KEY, Installation, problem_of

ROUTES = (
    "/",
    "/add",
    "/jobs",
    "/collections",
    "/api",
    "/api/v1/collections",
    "/openapi/openapi.json",
    "/livez",
    "/readyz",
    "/static/lamina.css",
    "/problems/not-found",
    "/nothing-here",
)


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("open")
    with Installation.open(folder, web={"allowed_hosts": ("lamina.example",)}) as installation:
        yield installation


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("locked")
    access = {"failed_sign_ins": 0}  # since many here try wrong keys
    with Installation.open(folder, admin_key=KEY, host="0.0.0.0", access=access) as installation:
        yield installation


def token_in(client: FlaskClient, path: str) -> str:
    """Return the CSRF token of a page's form."""
    return client.get(path).text.partition('name="csrf_token" value="')[2].partition('"')[0]


@pytest.mark.parametrize("path", ROUTES)
def test_a_foreign_host_name_is_refused_on_every_route(lamina: Installation, path: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost@evil.example", ""):
        response = lamina.client().get(path, headers={"Host": host})
        assert response.status_code == 421, host
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "lamina.example"]
)
def test_names_of_ours_are_let_in(lamina: Installation, host: str) -> None:
    assert lamina.client().get("/livez", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_page_of_another_site_is_refused_on_every_route(
    lamina: Installation, path: str, headers: dict[str, str]
) -> None:
    assert lamina.client().get(path, headers=headers).status_code == 403


def test_our_own_pages_are_let_in(lamina: Installation) -> None:
    ours = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}

    assert lamina.client().get("/api/v1/collections", headers=ours).status_code == 200
    assert lamina.client().get("/", headers={"Sec-Fetch-Site": "none"}).status_code == 200


def test_behind_a_tls_proxy_our_origin_is_https(tmp_path: Path) -> None:
    with Installation.open(tmp_path, web={"secure_cookies": True}) as lamina:
        ours = lamina.client().get("/livez", headers={"Origin": "https://localhost"})
        plain = lamina.client().get("/livez", headers={"Origin": "http://localhost"})

    assert (ours.status_code, plain.status_code) == (200, 403)


@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_carries_the_security_headers(lamina: Installation, path: str) -> None:
    headers = lamina.client().get(path).headers
    policy = headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert ("'unsafe-inline'" in policy) == (path == "/api")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == ("no-cache" if path.startswith("/static") else "no-store")
    assert "Access-Control-Allow-Origin" not in headers


def test_an_exposed_installation_without_a_key_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match="admin key"),
        Installation.open(tmp_path, host="0.0.0.0"),
    ):
        pass


@pytest.mark.parametrize(
    "path",
    ["/api/v1/collections", "/api/v1/collections/c/search?q=x", "/api/v1/no", "/api/v1/status"],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": "Bearer "},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "schlüssel".encode().decode("latin-1")},
    ],
    ids=str,
)
def test_the_api_needs_the_key(locked: Installation, path: str, headers: dict[str, str]) -> None:
    response = locked.client().get(path, headers=headers)

    problem_of(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_no_write_gets_through_without_the_key(locked: Installation) -> None:
    address = "/api/v1/collections/c/documents"
    body = {"documents": [{"text": "x"}]}

    problem_of(locked.client().post(address, json=body), 401, "unauthorized")
    problem_of(locked.client().delete(f"{address}/x"), 401, "unauthorized")
    assert locked.client().post("/add", data={"text": "x"}).status_code in (302, 400)
    assert not locked.services.records.jobs(limit=1)


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer  {KEY}"}, {"X-API-Key": KEY}],
    ids=str,
)
def test_the_key_opens_the_api(locked: Installation, headers: dict[str, str]) -> None:
    assert locked.client().get("/api/v1/collections", headers=headers).status_code == 200


def test_load_balancers_and_the_sign_in_page_need_no_key(locked: Installation) -> None:
    client = locked.client()

    assert client.get("/livez").status_code == 200
    assert client.get("/static/lamina.css").status_code == 200
    assert client.get("/sign-in").status_code == 200


@pytest.mark.parametrize("path", ["/", "/add", "/jobs", "/collections/c", "/api", "/search?q=x"])
def test_pages_ask_for_a_sign_in_and_come_back(locked: Installation, path: str) -> None:
    client = locked.client()
    asked = client.get(path)
    where = asked.headers["Location"]
    token = token_in(client, where)
    entered = client.post("/sign-in", data={"key": KEY, "next": path, "csrf_token": token})

    assert (asked.status_code, where.partition("?")[0]) == (302, "/sign-in")
    assert (entered.status_code, entered.headers["Location"]) == (303, path)
    assert client.get(path).status_code == 200
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert KEY not in cookie


def test_a_session_of_the_pages_does_not_open_the_api(locked: Installation) -> None:
    client = locked.client()
    token = token_in(client, "/sign-in")
    client.post("/sign-in", data={"key": KEY, "csrf_token": token})

    assert client.get("/jobs").status_code == 200
    problem_of(client.get("/api/v1/jobs"), 401, "unauthorized")


def test_a_wrong_key_signs_nobody_in(locked: Installation) -> None:
    client = locked.client()
    token = token_in(client, "/sign-in")
    refused = client.post("/sign-in", data={"key": "wrong", "csrf_token": token})

    assert refused.status_code == 401
    assert "not a key of this installation" in refused.text
    assert client.get("/jobs").status_code == 302


def test_signing_out_ends_the_session(locked: Installation) -> None:
    client = locked.client()
    client.post("/sign-in", data={"key": KEY, "csrf_token": token_in(client, "/sign-in")})
    client.post("/sign-out", data={"csrf_token": token_in(client, "/add")})

    assert client.get("/jobs").status_code == 302


def test_a_session_ends_when_the_key_changes(tmp_path: Path) -> None:
    with Installation.open(tmp_path, admin_key=KEY) as before:
        client = before.client()
        client.post("/sign-in", data={"key": KEY, "csrf_token": token_in(client, "/sign-in")})
        cookie = client.get_cookie("lamina")
        assert cookie is not None
        assert client.get("/jobs").status_code == 200
    (tmp_path / "catalog.db").unlink()
    with Installation.open(tmp_path, admin_key=KEY + " changed") as after:
        client = after.client()
        client.set_cookie("lamina", cookie.value)
        assert client.get("/jobs").status_code == 302


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:x", "/\t/evil", "x"],
)
def test_a_sign_in_never_leads_away(locked: Installation, wanted: str) -> None:
    client = locked.client()
    token = token_in(client, "/sign-in")
    entered = client.post("/sign-in", data={"key": KEY, "next": wanted, "csrf_token": token})

    assert entered.headers["Location"] == "/"


@pytest.mark.parametrize("path", ["/add", "/collections", "/sign-in", "/sign-out"])
def test_a_form_without_its_token_is_refused(lamina: Installation, path: str) -> None:
    client = lamina.client()
    client.get("/add")
    data = {"text": "forged", "collection": "c", "name": "forged", "csrf_token": "wrong"}

    assert client.post(path, data=data).status_code == 400
    assert client.post(path, data={}).status_code == 400
    assert not lamina.services.records.jobs(limit=1)


@pytest.mark.parametrize(
    "path", ["../__init__.py", "..%2f__init__.py", "%2e%2e/security.py", "vendor/../../wsgi.py"]
)
def test_static_files_never_leave_their_folder(lamina: Installation, path: str) -> None:
    assert lamina.client().get(f"/static/{path}").status_code == 404
    assert lamina.client().get(f"/openapi/swagger/{path}").status_code == 404
