"""Maps of collections."""

from typing import Self

from pydantic import Field

from shared.domain import MapReport, MapState
from shared.projecting.atlas import MapPoint, QueryPlace, SeenMap
from web.api.models.base import Body, Question, Shape, Text, Time, VersionRef


class MapBody(Body):
    """The map that is wished for."""

    version: VersionRef = "head"
    """Of which version: its number, a tag, or the newest."""

    sample: int | None = Field(default=None, ge=1, le=1_000_000)
    """At most so many passages; by default, and at most, `LAMINA_LIMITS_MAP_POINTS`."""

    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Of what is random: the same one gives the same map."""


class MapQuery(Question):
    """Which map to show, and how."""

    version: VersionRef | None = None
    """By default the newest version that has a map."""

    by: Text | None = None
    """A metadata field to colour the points by; by default their cluster."""

    q: Text | None = None
    """Words to find the place of."""


class MapStateShape(Shape):
    """How the map of a version stands."""

    collection: str
    version: int
    state: MapState
    """`wanted`: it is being drawn, or will be."""
    sample: int
    """At most so many passages."""
    seed: int
    requested_at: Time
    ended_at: Time | None
    detail: str
    """Why it failed, in words; else empty."""

    @classmethod
    def of(cls, report: MapReport, collection: str) -> Self:
        """Return what the API shows of a map that nobody looks at."""
        return cls(
            collection=collection,
            version=report.version,
            state=report.state,
            sample=report.sample,
            seed=report.seed,
            requested_at=report.requested_at,
            ended_at=report.ended_at,
            detail=report.detail,
        )


class PointShape(Shape):
    """A passage on a map."""

    id: str
    """Of its document."""
    title: str
    """Of the document, or the beginning of the passage where it has none."""
    x: float
    y: float
    """Between -1 and 1."""
    cluster: int
    shade: int | None
    """Which of `labels`; null where the document has no such field."""

    @classmethod
    def of(cls, point: MapPoint) -> Self:
        """Return what the API shows of a point."""
        return cls(
            id=point.document,
            title=point.title,
            x=point.x,
            y=point.y,
            cluster=point.cluster,
            shade=point.shade,
        )


class NearShape(Shape):
    """A point close to a query."""

    id: str
    title: str
    x: float
    y: float
    score: float


class PlaceShape(Shape):
    """Where a query would lie: at the median of the places of its nearest neighbours."""

    x: float
    y: float
    nearest: list[NearShape]
    """Of those on the map, the ones that the search finds closest, best first."""

    @classmethod
    def of(cls, place: QueryPlace) -> Self:
        """Return what the API shows of a query's place."""
        nearest = [
            NearShape(id=point.document, title=point.title, x=point.x, y=point.y, score=score)
            for point, score in place.nearest
        ]
        return cls(x=place.x, y=place.y, nearest=nearest)


class DrawnShape(Shape):
    """What is on a map, and how it was drawn."""

    method: str
    """`pca`, or `pca+tsne`: principal components, and from these t-SNE."""
    explained: float
    """Share of the sample's variance that the principal components kept, 0 to 1."""
    settings: dict[str, float]
    """Numbers of the method."""
    vectors: int
    """Passages of the version, of which the sample was taken."""
    by: str | None
    """The metadata field that colours; null for clusters (k-means)."""
    labels: list[str]
    """What the shades mean: words that are frequent in a cluster, or values of the field."""
    fields: list[str]
    """Metadata fields that it can be coloured by."""
    points: list[PointShape]
    query: PlaceShape | None

    @classmethod
    def of(cls, seen: SeenMap, place: QueryPlace | None) -> Self:
        """Return what the API shows of a map."""
        return cls(
            method=seen.projection.method,
            explained=seen.projection.explained,
            settings=dict(seen.projection.settings),
            vectors=seen.projection.vectors,
            by=seen.colouring.by,
            labels=list(seen.colouring.labels),
            fields=list(seen.fields),
            points=[PointShape.of(one) for one in seen.points],
            query=None if place is None else PlaceShape.of(place),
        )


class MapShape(MapStateShape):
    """The map of a version."""

    map: DrawnShape | None
    """Null until it is drawn."""
