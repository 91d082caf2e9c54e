"""Ids made by the program, not the database."""

import secrets
import time


def new_id() -> str:
    """Return 32 hex digits, unique, that sort by the millisecond they were made in."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"
