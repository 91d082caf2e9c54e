"""Lamina's API from Python: typed, synchronous, and with no need but httpx.

    from lamina_client import Client

    with Client.connect("http://127.0.0.1:8000", key="…") as lamina:
        job = lamina.submit("default", [{"id": "whale", "text": "The whale is a mammal."}])
        lamina.wait(job)
        hits = lamina.search("default", {"q": "sea animals"})["hits"]

The command line uses it. Other apps copy this folder, or install it: `pip install shared/client`.
"""

from .client import Client
from .errors import ClientError, Refused, Unreachable

__all__ = ["Client", "ClientError", "Refused", "Unreachable"]
