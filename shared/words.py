"""Times, numbers and sizes in words, for terminals and pages alike."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KILO, _WHOLE = 1000, 100
_SHORT = 90
"""Seconds are counted up to here; so are minutes, and hours up to two days."""


def about(seconds: float) -> str:
    """Return a length of time as one says it: `4 s`, `3 min`, `2 h`, `5 days`."""
    if seconds < _SHORT:
        return f"{max(seconds, 1):.0f} s"
    if seconds < _SHORT * _MINUTE:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} days"


def counted(number: int, noun: str, several: str | None = None) -> str:
    """Return a number with its noun, of which *several* are not just an s longer: `2,000 jobs`."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def size(count: float) -> str:
    """Return a number of bytes as a person reads it: `812 bytes`, `1.2 MB`, `252 GB` (10^9)."""
    if count < _KILO:
        return counted(round(count), "byte")
    for unit in ("kB", "MB", "GB"):
        count /= _KILO
        if round(count) < _KILO:
            return f"{count:.{0 if count >= _WHOLE else 1}f} {unit}"
    return f"{count / _KILO:,.1f} TB"


def listed(parts: list[str]) -> str:
    """Return parts as a list in a sentence: `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
