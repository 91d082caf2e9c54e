"""Documents in bulk: lines of JSON, read as a stream and stored in batches."""

from shared.bulk.loading import BulkLimits, Load, Result, load
from shared.bulk.streams import gunzip

__all__ = ["BulkLimits", "Load", "Result", "gunzip", "load"]
