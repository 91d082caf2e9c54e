"""Maps: what is close stays close, and few or equal points do no harm."""

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.domain import Metric, Vectors
from shared.index import cluster
from shared.projecting.colours import by_cluster, by_field, fields_of
from shared.projecting.components import principal_components
from shared.projecting.drawing import Sample, draw


def sample(vectors: Vectors, metric: Metric = Metric.COSINE) -> Sample:
    ids = np.arange(len(vectors), dtype=np.int64)
    return Sample(ids=ids, vectors=vectors.astype(np.float32), of=len(vectors), metric=metric)


def no_step(_done: int, _total: int) -> None:
    """Go on."""


def groups(count: int, each: int) -> tuple[Vectors, NDArray[np.int64]]:
    """Return vectors around so many centres, and the centre of each."""
    random = np.random.default_rng(7)
    centres = random.normal(size=(count, 24))
    of = np.repeat(np.arange(count), each)
    return (centres[of] + 0.2 * random.normal(size=(len(of), 24))).astype(np.float32), of


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_groups_stay_together_on_the_map_and_are_the_clusters(metric: Metric) -> None:
    vectors, of = groups(4, 20)
    drawn = draw(sample(vectors, metric), cluster, seed=3, step=no_step)
    places = np.array(drawn.places)
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)

    assert drawn.method == "pca+tsne"
    assert np.abs(places).max() == 1
    assert (of[apart.argsort(axis=1)[:, :5]] == of[:, None]).mean() > 0.99
    # Each cluster lies inside one group; there may be more clusters than groups.
    assert all(len(set(of[np.array(drawn.clusters) == one])) == 1 for one in set(drawn.clusters))
    assert np.bincount(drawn.clusters)[0] == np.bincount(drawn.clusters).max()
    assert draw(sample(vectors, metric), cluster, seed=3, step=no_step) == drawn


def test_the_work_says_how_far_it_is_and_may_be_stopped() -> None:
    vectors, _ = groups(2, 10)
    steps: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        steps.append((done, total))
        if done == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        draw(sample(vectors), cluster, seed=0, step=stop)
    assert steps == [(done, steps[0][1]) for done in range(4)]


@pytest.mark.parametrize("rows", [1, 2, 3, 9, 10, 11])
@pytest.mark.parametrize("dimension", [1, 2, 16])
def test_few_points_and_equal_points_have_a_place(rows: int, dimension: int) -> None:
    random = np.random.default_rng(rows)
    scattered = random.normal(size=(rows, dimension)).astype(np.float32)
    for vectors in (scattered, np.ones_like(scattered)):
        drawn = draw(sample(vectors), cluster, seed=0, step=no_step)
        assert len(drawn.places) == len(drawn.clusters) == rows
        assert np.isfinite(np.array(drawn.places)).all()
        assert 0 <= drawn.explained <= 1.0001


@pytest.mark.parametrize("shape", [(30, 5), (5, 30)])
def test_principal_components_are_those_of_the_singular_values(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    found = principal_components(vectors, 3)

    np.testing.assert_allclose(np.abs(found.points), np.abs(left[:, :3] * sizes[:3]), atol=1e-4)
    assert found.explained == pytest.approx((sizes[:3] ** 2).sum() / (sizes**2).sum(), abs=1e-5)


def test_clusters_are_told_by_words_of_their_own() -> None:
    texts = ["green tea leaves", "black tea leaves", "the sea and a ship", "a ship at sea"]
    told = by_cluster([0, 0, 1, 1], texts)

    assert told.labels == ("leaves, tea", "sea, ship")
    assert told.shades == (0, 0, 1, 1)
    alike = by_cluster([0, 1, 1], ["x", "same same", "same"]).labels
    assert alike == ("group 1", "same")
    assert by_cluster([0, 1], ["", ""]).labels == ("group 1", "group 2")


def test_a_field_colours_by_value_or_in_steps() -> None:
    few = by_field("lang", ["en", "fr", None, "en", True, ["a", "b"]])
    assert few.labels == ("en", "fr", "yes", "a, b")
    assert few.shades == (0, 1, None, 0, 2, 3)
    many = by_field("id", [f"v{n % 13}" for n in range(39)])
    assert many.labels[-1] == "4 others"
    assert max(one for one in many.shades if one is not None) == 9
    years = by_field("year", [*range(1900, 2000), None])
    assert years.rising
    assert years.labels == (
        "1900 to 1920", "1920 to 1940", "1940 to 1960", "1960 to 1980", "1980 to 1999"
    )  # fmt: skip
    assert (years.shades[0], years.shades[20], years.shades[99], years.shades[100]) == (
        0,
        1,
        4,
        None,
    )


def test_only_fields_that_tell_points_apart_are_offered() -> None:
    metadata = [
        {"lang": "en" if n % 2 else "fr", "key": f"k{n}", "year": n, "same": 1, "deep": {"a": n}}
        for n in range(10)
    ]
    assert fields_of(metadata) == ("lang", "year")
