"""The admin key: as a header for programs, as a sign-in with a signed cookie for people."""

import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path
from typing import cast

from flask import Flask, Response, current_app, redirect, request, session, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response as WerkzeugResponse

from shared.settings import Settings

_OPEN = ("/static/", "/sign-in", "/problems/", "/livez", "/readyz")
"""Addresses that need no key; none of them shows anything of the index."""
_MARK = "signed_in"


class Lock:
    """Knows the admin key by its sha256 only."""

    def __init__(self, key: str | None, secret: bytes) -> None:
        self._digest = hashlib.sha256(key.encode()).digest() if key else None
        self._mark = hmac.new(secret, self._digest or b"", hashlib.sha256).hexdigest()

    @property
    def closed(self) -> bool:
        """Whether a key is needed at all."""
        return self._digest is not None

    def opens(self, key: bytes) -> bool:
        """Return whether *key* is the admin key, in constant time."""
        if self._digest is None:
            return True
        return hmac.compare_digest(hashlib.sha256(key).digest(), self._digest)

    def sign_in(self) -> None:
        """Mark the session; the mark ends with the key that made it."""
        session.clear()
        session[_MARK] = self._mark

    @property
    def signed_in(self) -> bool:
        """Whether the current session was marked under the current key."""
        mark = session.get(_MARK)
        return isinstance(mark, str) and hmac.compare_digest(mark, self._mark)


def lock() -> Lock:
    """Return the lock of the application at work."""
    return cast("Lock", current_app.extensions["lock"])


def register(app: Flask, settings: Settings) -> None:
    """Give *app* its session secret and ask for the admin key if there is one."""
    secret = session_secret(settings.data_dir)
    app.extensions["lock"] = Lock(settings.read_admin_key(), secret)
    app.config.update(
        SECRET_KEY=secret,
        SESSION_COOKIE_NAME="lamina",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.web.secure_cookies,
    )
    app.before_request(_ask_for_key)


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


def _presented_key() -> bytes | None:
    """Return the key in the request's headers, as the bytes that were sent."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else request.headers.get("X-API-Key")
    return key.encode("latin-1", "replace") if key else None


def _ask_for_key() -> WerkzeugResponse | Response | None:
    if not lock().closed or request.path.startswith(_OPEN):
        return None
    if key := _presented_key():
        if lock().opens(key):
            return None
        raise _unauthorized("The key is not valid.")
    if request.path.startswith("/api/"):
        raise _unauthorized("This needs the admin key: `Authorization: Bearer KEY`.")
    if lock().signed_in:
        return None
    if request.headers.get("HX-Request"):  # a redirect would put the form inside a fragment
        raise _unauthorized("The session has ended; sign in again.")
    return redirect(url_for("session.sign_in", next=request.full_path.rstrip("?")))


def _unauthorized(detail: str) -> Unauthorized:
    return Unauthorized(detail, www_authenticate=WWWAuthenticate("bearer", {"realm": "lamina"}))
