"""Which addresses webhooks may lead to."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

from shared.errors import InvalidRequest

MOST_CHARACTERS = 2000

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOW_BITS = 0xFFFF_FFFF


def check_url(text: str, *, private: bool) -> SplitResult:
    """Return the parts of a webhook's address.

    What its name leads to is looked at with each call: that may change.

    Args:
        text: the address.
        private: whether it may lie inside a private network.

    Raises:
        InvalidRequest: it is none that can be called.
    """
    if len(text) > MOST_CHARACTERS or not text.isascii() or not text.isprintable() or " " in text:
        raise InvalidRequest(
            f"A webhook's address has at most {MOST_CHARACTERS} characters, all of them ASCII and "
            "none of them a blank; write a name of other letters as its `xn--` form."
        )
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - it is checked when it is read
    except ValueError as error:
        raise InvalidRequest(f"{text!r} is no address: {error}.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"{text!r} is no address that begins with http:// or https://.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidRequest("A webhook's address has no user, no password and no `#`.")
    literal = parse(parts.hostname)
    if literal is not None and not private and not is_public(literal):
        raise InvalidRequest(refusal(parts.hostname, literal))
    return parts


def parse(host: str) -> Address | None:
    """Return the address that *host* is; None if it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address belongs to the Internet, and so does one that hides in it.

    An IPv6 address may carry the IPv4 address that a packet is sent on to: mapped (RFC 4291),
    6to4 (RFC 3056), NAT64 (RFC 6052). Teredo and other reserved ones are refused as they are.
    """
    if isinstance(address, ipaddress.IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            hidden = ipaddress.IPv4Address(int(address) & _LOW_BITS)
        if hidden is not None:
            return is_public(hidden)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def refusal(host: str, address: Address) -> str:
    """Return why a webhook is not called."""
    where = host if host == str(address) else f"{host} is {address}, which"
    return (
        f"{where} is inside a private network; such addresses are called only "
        "with LAMINA_WEBHOOKS_PRIVATE=true."
    )
