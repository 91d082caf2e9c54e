"""Who asks: a key as a header for programs, a sign-in with a signed cookie for people."""

import hmac
import os
import secrets
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import cast

from flask import Flask, Response, current_app, g, redirect, request, session, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response as WerkzeugResponse

from shared.access.keyring import Keyring
from shared.access.making import key_id_in
from shared.domain import LOCAL, Caller
from shared.settings import Settings
from web import rates
from web.access import is_open
from web.context import services
from web.streams import SSE

_KEY, _MARK, _SESSION = "key", "mark", "session"
_BY_KEY_ALONE = ("/api/", "/metrics", "/version")
"""Addresses that only programs ask for: no session opens them, and no form is shown instead."""


def register(app: Flask, settings: Settings) -> None:
    """Give *app* its session secret, and find out who asks before each request."""
    app.config.update(
        SECRET_KEY=session_secret(settings.data_dir),
        SESSION_COOKIE_NAME="lamina",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.web.secure_cookies,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.access.session_hours),
    )
    app.before_request(_identify)


def session_secret(folder: Path) -> bytes:
    """Return the secret that signs sessions, making it the first time.

    The file is complete before it has its name, and the name is given only once, so that all
    processes agree however they race.
    """
    path = folder / "secret.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=folder, prefix=".secret.")  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode())
                file.flush()
                os.fsync(file.fileno())
            Path(path).hardlink_to(draft)
        except FileExistsError:
            return path.read_bytes()
        finally:
            Path(draft).unlink()
    return path.read_bytes()


def sign_in(key: bytes) -> bool:
    """Begin a new session for whoever has *key*; return whether it opens anything.

    Nothing of a session from before stays, its CSRF token included, so that nobody can have
    prepared it. The session holds no key, only a mark that ends with the key.

    Raises:
        RateLimited: too many wrong keys came from this address.
    """
    keyring = services().keyring
    if not keyring.closed:
        return True
    caller = _recognise(key)
    digest = keyring.digest(caller) if caller else None
    if caller is None or digest is None:
        return False
    session.clear()
    session[_KEY] = caller.key_id
    session[_MARK] = _mark(digest)
    session[_SESSION] = secrets.token_urlsafe(16)
    return True


def sign_out() -> None:
    """End the session for good: a copy of its cookie is worth nothing from now on."""
    if isinstance(session_id := session.get(_SESSION), str):
        lifetime = current_app.permanent_session_lifetime.total_seconds()
        services().keys.sign_out(session_id, within_seconds=lifetime)
    session.clear()


def signed_in() -> bool:
    """Return whether whoever asks came with a session."""
    return bool(g.get("by_session"))


def _identify() -> WerkzeugResponse | Response | None:
    """Set `g.caller` to who asks; refuse whoever needs a key and has none.

    Raises:
        Unauthorized: the key is missing or opens nothing.
        RateLimited: too many wrong keys came from this address.
    """
    g.caller, g.by_session = None, False
    if is_open(request.endpoint):
        return None
    if not services().keyring.closed:
        g.caller = LOCAL
        return None
    if key := _presented_key():
        g.caller = _recognise(key)
        if g.caller is None:
            raise _unauthorized("The key is not valid, or it has ended.")
        return None
    if request.path.startswith(_BY_KEY_ALONE):
        raise _unauthorized("This needs a key: `Authorization: Bearer KEY`.")
    g.caller = _of_session(services().keyring)
    g.by_session = g.caller is not None
    if g.caller is not None:
        return None
    # A redirect would put the form inside a fragment, and is no stream.
    if request.headers.get("HX-Request") or request.headers.get("Accept") == SSE:
        raise _unauthorized("The session has ended; sign in again.")
    return redirect(url_for("session.sign_in", next=request.full_path.rstrip("?")))


def _recognise(key: bytes) -> Caller | None:
    """Return who has *key*; None if it opens nothing, which counts against the address.

    A key that Lamina made is looked at in any case: 256 random bits cannot be guessed, and whoever
    shares an address with somebody who tries should not be locked out.

    Raises:
        RateLimited: too many wrong keys came from this address, and this may be a guess.
    """
    if key_id_in(key) is None:
        rates.check_sign_ins()
    caller = services().keyring.caller(key)
    if caller is None:
        rates.count_failed_sign_in()
    return caller


def _of_session(keyring: Keyring) -> Caller | None:
    """Return whose session this is, if it and its key still stand."""
    mark, session_id = session.get(_MARK), session.get(_SESSION)
    if not isinstance(mark, str) or not isinstance(session_id, str):
        return None
    caller = keyring.by_id(session.get(_KEY))
    digest = keyring.digest(caller) if caller else None
    if digest is None or not hmac.compare_digest(mark, _mark(digest)):
        return None
    if services().keys.signed_out(session_id):
        return None
    if caller and caller.key_id:
        keyring.note(caller.key_id)
    return caller


def _mark(digest: str) -> str:
    """Return what a session under a key with this hash is marked with."""
    secret = cast("bytes", current_app.config["SECRET_KEY"])
    return hmac.new(secret, digest.encode(), "sha256").hexdigest()


def _presented_key() -> bytes | None:
    """Return the key in the request's headers, as the bytes that were sent."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key")
    return key.encode("latin-1", "replace") if key else None


def _unauthorized(detail: str) -> Unauthorized:
    return Unauthorized(detail, www_authenticate=WWWAuthenticate("bearer", {"realm": "lamina"}))
