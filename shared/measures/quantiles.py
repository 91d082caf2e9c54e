"""Quantiles of what histograms counted."""

from collections.abc import Mapping


def quantile(share: float, upto: Mapping[float, float]) -> float | None:
    """Return about where *share* of a histogram's values lie below; None without any.

    Values are taken to be spread evenly within their bucket, as Prometheus' `histogram_quantile`
    does; beyond the last finite border that border is returned.
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile

    Args:
        share: 0 to 1.
        upto: how many values were up to each border, infinity included.
    """
    buckets = sorted(upto.items())
    total = buckets[-1][1] if buckets else 0.0
    if not total:
        return None
    below, lower = 0.0, 0.0
    for border, count in buckets:
        if count >= share * total:
            if border == float("inf"):
                return lower
            return lower + (border - lower) * (share * total - below) / (count - below)
        below, lower = count, border
    return lower
