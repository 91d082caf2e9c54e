"""How the rebuilds that are under way stand."""

from collections.abc import Sequence

from shared.domain import Rebuild
from shared.ports import Rebuilds, Renditions


def under_way(renditions: Renditions, rebuilds: Rebuilds) -> Sequence[Rebuild]:
    """Return the rebuilds that are under way, those begun first in front.

    Looks at all live documents of their collections.

    Raises:
        CatalogUnavailable
    """
    last = [rebuilds.last(one.collection_id) for one in renditions.running()]
    # One that ended meanwhile is not under way any more.
    return [one for one in last if one is not None and not one.state.ended]
