"""What every request must pass before a view sees it, and the headers every answer carries.

Lamina listens on loopback without a key, so a hostile page in the user's own browser is the
attacker to think of. Its requests name another host (DNS rebinding), carry a foreign `Origin`,
or say `Sec-Fetch-Site: cross-site`; all of them are refused, on every route.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest, Forbidden, MisdirectedRequest
from werkzeug.middleware.proxy_fix import ProxyFix

from shared.settings import LOOPBACK, Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - names to leave out, not to bind
_FOREIGN_SITES = frozenset({"cross-site", "same-site"})
_YEAR_SECONDS = 31_536_000


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets a request in only under a name of ours and from a page of ours."""

    hosts: frozenset[str]
    """Lower-case host names, without ports; `*` lets every name in."""
    behind_tls: bool
    """A proxy speaks HTTPS for us, so our own origin begins with `https`."""

    @classmethod
    def of(cls, settings: Settings) -> "Gate":
        """Return the gate that *settings* describe."""
        names = {*LOOPBACK, settings.host, *settings.web.allowed_hosts} - _EVERYWHERE
        return cls(frozenset(map(str.lower, names)), settings.web.secure_cookies)

    def check(self) -> None:
        """Refuse the current request if it is not ours.

        Raises:
            MisdirectedRequest: 421, a host name that is not ours.
            Forbidden: 403, from a page of another site.
            BadRequest: a NUL character in the address, which no database can hold.
        """
        host = host_name(request.environ.get("HTTP_HOST", ""))
        if host not in self.hosts and "*" not in self.hosts:
            raise MisdirectedRequest(
                "This host name is not one of Lamina's. LAMINA_WEB_ALLOWED_HOSTS adds names."
            )
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_ours(origin):
            raise Forbidden("The request comes from a page of another site (Origin).")
        if request.headers.get("Sec-Fetch-Site", "").lower() in _FOREIGN_SITES:
            raise Forbidden("The request comes from a page of another site (Sec-Fetch-Site).")
        if "\x00" in request.path:
            raise BadRequest("The address contains a NUL character.")

    def _is_ours(self, origin: str) -> bool:
        scheme = "https" if self.behind_tls else request.scheme
        return origin.lower() == f"{scheme}://{request.environ['HTTP_HOST']}".lower()


def host_name(host: str) -> str:
    """Return the name in a `Host` header, lower case and without port; empty if malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return ""
    if parts.netloc != host or "@" in host:
        return ""
    return (parts.hostname or "").rstrip(".")


def register(app: Flask, settings: Settings) -> None:
    """Put the gate before every route, static files and unknown addresses included."""
    app.before_request(Gate.of(settings).check)
    app.after_request(_add_headers)


def trust_proxies(app: Flask, proxies: int) -> None:
    """Believe the last so many values of `X-Forwarded-For`, `-Proto` and `-Host`, and no others.

    With none in front those headers mean nothing, since any client can send them.
    """
    if proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # as Flask's documentation does
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies
        )


def _add_headers(response: Response) -> Response:
    if request.endpoint == "static" and response.status_code < 400:  # noqa: PLR2004
        vendored = "/vendor/" in request.path  # the version is part of the address
        response.headers["Cache-Control"] = (
            f"public, max-age={_YEAR_SECONDS}, immutable" if vendored else "no-cache"
        )
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
