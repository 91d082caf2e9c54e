"""Ask for maps and look at them: what each point stands for, and where a query would lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.domain import Ids, Json, MapReport, PassageRecord, Projection
from shared.errors import InvalidRequest, MapNotFound
from shared.ports import Collections, Maps, Reading
from shared.projecting.colours import Colouring, by_cluster, by_field, fields_of
from shared.searching.search import Searcher, encode_query, space_of

NEIGHBOURS = 5
"""Points whose places say where a query is drawn."""
_LABEL_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """What looking at maps works with."""

    maps: Maps
    collections: Collections
    reading: Reading
    searcher: Searcher


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPoint:
    """A passage on a map."""

    vector_id: int
    document: str
    """External id."""
    title: str
    """Of the document, or the beginning of the passage where it has none."""
    x: float
    y: float
    cluster: int
    shade: int | None
    """As in the colouring of the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMap:
    """A map with what is on it."""

    report: MapReport
    projection: Projection
    points: tuple[MapPoint, ...]
    """In the order of their vector ids; those of purged documents are missing."""
    colouring: Colouring
    fields: tuple[str, ...]
    """Of the metadata, that it can be coloured by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryPlace:
    """Where a query would lie."""

    x: float
    y: float
    nearest: tuple[tuple[MapPoint, float], ...]
    """The points closest to it by the search, not on the paper, with their scores."""


def ask(atlas: Atlas, name: str, version: int, *, sample: int, seed: int) -> MapReport:
    """Have the map of a version drawn, unless it is there or under way.

    Raises:
        CollectionNotFound, VersionNotFound, VersionExpired
    """
    collection = atlas.collections.get(name)
    return atlas.maps.ask(collection.id, version, sample=sample, seed=seed)


def find(atlas: Atlas, name: str, version: int | None) -> MapReport:
    """Return the map of a version; without one, of the newest version that has a map.

    Raises:
        CollectionNotFound
        MapNotFound: nobody asked for it.
    """
    collection = atlas.collections.get(name)
    report = atlas.maps.find(collection.id, version)
    if report is None:
        which = "no version" if version is None else f"version {version}"
        raise MapNotFound(f"{which[:1].upper()}{which[1:]} of {name!r} has a map; ask for one.")
    return report


def look(atlas: Atlas, report: MapReport, *, by: str | None = None) -> SeenMap:
    """Return a map with what is on it, coloured by a metadata field or (None) by cluster.

    Raises:
        InvalidRequest: no document on it has the field.
        MapNotFound: it is not drawn yet.
    """
    drawn = report.projection
    if drawn is None:
        raise MapNotFound(f"The map of version {report.version} is not drawn yet.")
    records = atlas.reading.passages(drawn.ids)
    there = [place for place, one in enumerate(drawn.ids) if one in records]
    found = [records[drawn.ids[place]] for place in there]
    clusters = [drawn.clusters[place] for place in there]
    colouring = _colouring(by, clusters, found)
    points = tuple(
        MapPoint(
            vector_id=record.vector_id,
            document=record.external_id,
            title=_title(record),
            x=drawn.places[place][0],
            y=drawn.places[place][1],
            cluster=drawn.clusters[place],
            shade=shade,
        )
        for place, record, shade in zip(there, found, colouring.shades, strict=True)
    )
    return SeenMap(
        report=report,
        projection=drawn,
        points=points,
        colouring=colouring,
        fields=fields_of([one.metadata for one in found]),
    )


def locate(atlas: Atlas, seen: SeenMap, name: str, query: str) -> QueryPlace | None:
    """Return where *query* would lie on a map; None on an empty one.

    Neither method can place a point that was not there when the map was drawn, so the query is
    put among those that the search finds closest: at the median of their places, which is within
    their group even where one of them lies elsewhere.

    Raises:
        InvalidRequest: the query is blank or too long.
        EncoderNotInstalled: the version is of an encoder that is not there any more.
        EncoderNotReady, VersionExpired, CorruptFile, Retryable
    """
    searcher = atlas.searcher
    if not query.strip() or len(query) > searcher.query_characters:
        raise InvalidRequest(f"A query has 1 to {searcher.query_characters:,} characters.")
    if not seen.points:
        return None
    collection = atlas.collections.get(name)
    opened = searcher.snapshots.at(collection.id, seen.report.version)
    vector, _ = encode_query(searcher, space_of(searcher, collection, opened), query)
    by_id = {point.vector_id: point for point in seen.points}
    ids: Ids = np.fromiter(sorted(by_id), dtype=np.int64)
    scores, found = opened.snapshot.among(ids).search(vector, NEIGHBOURS)
    nearest = tuple(
        (by_id[int(one)], float(score)) for one, score in zip(found[0], scores[0], strict=True)
    )
    return QueryPlace(
        x=float(np.median([point.x for point, _ in nearest])),
        y=float(np.median([point.y for point, _ in nearest])),
        nearest=nearest,
    )


def _colouring(
    by: str | None, clusters: Sequence[int], records: Sequence[PassageRecord]
) -> Colouring:
    if by is None:
        return by_cluster(clusters, [_text(one) for one in records])
    values: list[Json] = [one.metadata.get(by) for one in records]
    if records and all(one is None for one in values):
        raise InvalidRequest(f"No document on the map has a metadata field {by!r}.")
    return by_field(by, values)


def _text(record: PassageRecord) -> str:
    return f"{record.title} {record.passage[:_LABEL_CHARACTERS]}"


def _title(record: PassageRecord) -> str:
    if record.title.strip():
        return record.title
    line = " ".join(record.passage[:_LABEL_CHARACTERS].split())
    return line[:80] or record.external_id
