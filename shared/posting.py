"""The adapter that calls webhooks: one request, to an address that was looked at before.

A name is resolved once, and what is connected to is the address that was checked, so that no second
answer of a name server can lead elsewhere (DNS rebinding). Redirects are not followed.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import SplitResult

from shared.domain import Sent
from shared.errors import InvalidRequest
from shared.product import product_version
from shared.webhooks.addresses import Address, check_url, is_public, refusal

_ANSWER_BYTES = 1024
_SHOWN_CHARACTERS = 200
_PORTS = {"http": 80, "https": 443}


class HttpPoster:
    """The port `Poster` over HTTP/1.1."""

    def __init__(self, *, timeout_seconds: float, private: bool) -> None:
        """Take at most so long for a call; call addresses of private networks only if *private*."""
        self._timeout = timeout_seconds
        self._private = private
        self._tls = ssl.create_default_context()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """POST *body*, once: no redirect is followed, nothing is tried again."""
        try:
            parts = check_url(url, private=self._private)
            address, port = self._resolve(parts)
            return self._post(parts, address, port, headers, body)
        except InvalidRequest as refused:
            return Sent(status=None, error=refused.detail)
        except TimeoutError:
            return self._too_late()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            return Sent(status=None, error=_in_words(error))

    def _resolve(self, parts: SplitResult) -> tuple[Address, int]:
        """Return the address to connect to.

        Raises:
            InvalidRequest: the name leads, if only in part, into a private network.
            OSError: it leads nowhere.
        """
        host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
        if not self._private:
            for one in addresses:
                if not is_public(one):
                    raise InvalidRequest(refusal(host, one))
        return addresses[0], port

    def _post(
        self,
        parts: SplitResult,
        address: Address,
        port: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Sent:
        with socket.create_connection((str(address), port), timeout=self._timeout) as plain:
            # A timeout of the socket begins anew with each byte; this ends the call as a whole.
            late = threading.Event()
            ending = threading.Timer(self._timeout, _shut, [plain, late])
            ending.start()
            try:
                sent = self._talk(parts, plain, port, headers, body)
            finally:
                ending.cancel()
        # What was cut off may look like an answer that has ended.
        return self._too_late() if late.is_set() else sent

    def _too_late(self) -> Sent:
        return Sent(status=None, error=f"It took longer than {self._timeout:g} seconds.")

    def _talk(
        self,
        parts: SplitResult,
        plain: socket.socket,
        port: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Sent:
        host = str(parts.hostname)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        connection = kind(host, port, timeout=self._timeout)
        connection.sock = (
            self._tls.wrap_socket(plain, server_hostname=host) if parts.scheme == "https" else plain
        )
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"user-agent": f"lamina/{product_version()}", "connection": "close"} | dict(headers)
        try:
            connection.request("POST", path, body, sent)
            response = connection.getresponse()
            said = response.read(_ANSWER_BYTES).decode(errors="replace")
        finally:
            connection.close()
        if 200 <= response.status < 300:  # noqa: PLR2004 - what HTTP calls successful
            return Sent(status=response.status, error=None)
        return Sent(status=response.status, error=_refused(response.status, said))


def _shut(plain: socket.socket, late: threading.Event) -> None:
    """End a call that takes too long."""
    late.set()
    try:
        plain.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended just now


def _refused(status: int, said: str) -> str:
    shown = "".join(one if one.isprintable() else " " for one in said).strip()[:_SHOWN_CHARACTERS]
    return f"It answered {status}" + (f": {shown}" if shown else ".")


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_SHOWN_CHARACTERS]
