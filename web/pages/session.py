"""`/sign-in` and `/sign-out`: keys, for people."""

from http import HTTPStatus
from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from web import sessions

blueprint = Blueprint("session", __name__)


@blueprint.get("/sign-in")
def sign_in() -> str:
    """Ask for a key."""
    return render_template("sign_in.html", wanted=_local(request.args.get("next", "")), told=None)


@blueprint.post("/sign-in")
def post_sign_in() -> ResponseReturnValue:
    """Begin a session if the key opens anything."""
    wanted = _local(request.form.get("next", ""))
    if not sessions.sign_in(request.form.get("key", "").strip().encode(errors="replace")):
        told = "This is not a key of this installation, or it has ended."
        page = render_template("sign_in.html", wanted=wanted, told=told)
        return page, HTTPStatus.UNAUTHORIZED
    return redirect(wanted or url_for("home.index"), HTTPStatus.SEE_OTHER)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End the session."""
    sessions.sign_out()
    return redirect(url_for("session.sign_in"), HTTPStatus.SEE_OTHER)


def who() -> dict[str, bool]:
    """Tell templates whether someone is signed in."""
    return {"signed_in": sessions.signed_in()}


def _local(address: str) -> str:
    """Return *address* if it is a path of ours, else nothing: no redirect leaves the site."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    is_path = address.startswith("/") and not address.startswith(("//", "/\\"))
    odd = any(ord(character) < 33 or character == "\\" for character in address)  # noqa: PLR2004
    return address if is_path and not odd and not parts.scheme and not parts.netloc else ""
