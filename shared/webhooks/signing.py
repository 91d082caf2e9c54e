"""Signatures of webhooks, as Standard Webhooks describes them.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: what is
signed is `id.timestamp.body`, by HMAC-SHA256 under a secret of 24 to 64 bytes, which is shown as
`whsec_` and base64.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping

from shared.errors import InvalidRequest

_PREFIX = "whsec_"
_LEAST, _MOST, _OURS = 24, 64, 32  # bytes


def make_secret() -> str:
    """Return a new random secret."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_OURS)).decode()


def check_secret(secret: str) -> str:
    """Return a secret that somebody brings.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not _LEAST <= len(key) <= _MOST:
        raise InvalidRequest(
            f"A secret is `{_PREFIX}` and the base64 of {_LEAST} to {_MOST} random bytes."
        )
    return secret


def sign(secret: str, message_id: str, *, now: float, body: bytes) -> Mapping[str, str]:
    """Return the headers that prove who sends *body*, and when.

    Args:
        secret: of the webhook.
        message_id: the same in every try.
        now: seconds since 1970; receivers refuse what is minutes old, against replays.
        body: as it is sent.
    """
    timestamp = str(int(now))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
