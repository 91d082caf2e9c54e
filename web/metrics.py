"""`/metrics`: what Prometheus scrapes.

Any web process answers for the whole installation, since counts of all processes are added up in
the catalog: scrape one address, not each process.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

import structlog
from flask import Flask, Response, current_app
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric

from shared.domain import Series
from shared.errors import Retryable
from shared.gauge import Gauge
from shared.measures import instruments as measured
from shared.measures.instruments import INSTRUMENTS, Instrument, Kind
from shared.measures.survey import Sample, Sources, ask_broker, survey
from shared.measures.tally import BORDER, BUCKET, SUM
from shared.product import product_version
from shared.services import Services
from web.api.routing import problem_responses

log = structlog.get_logger(__name__)

PATH = "/metrics"
blueprint = APIBlueprint(
    "metrics",
    __name__,
    abp_tags=[Tag(name="health", description="For load balancers and Prometheus.")],
    abp_security=[{"bearer": []}, {}],
)

_TOTAL = "_total"


class Exposition:
    """Reads all there is to tell, no more often than it is worth."""

    def __init__(self, services: Services) -> None:
        sources = Sources(
            roster=services.roster,
            waiting=services.waiting,
            chores=services.chores,
            dead_letters=services.dead_letters,
            collections=services.collections,
            files=services.files,
            spool=services.blobs,
            renditions=services.renditions,
            rebuilds=services.rebuilds,
            messages=services.messages,
            most_collections=services.settings.metrics.collections,
        )
        self._build = (product_version(), services.database.schema)
        self._gauges = Gauge(lambda: survey(sources))
        # By itself: a broker that hangs makes its readings, and only those, old.
        self._broker = Gauge(lambda: ask_broker(services.messages))
        self._sums = Gauge(services.measures.sums)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, in the order of the instruments."""
        samples = [Sample(measured.BUILD, 1, self._build), *self._broker.value()]
        sums: Mapping[Series, float] = {}
        try:
            samples += [Sample(measured.CATALOG_UP, 1), *self._gauges.value()]
            sums = self._sums.value()
        except Retryable as error:
            log.warning("metrics.incomplete", error=str(error))
            samples = [one for one in samples if one.instrument is not measured.CATALOG_UP]
            samples.append(Sample(measured.CATALOG_UP, 0))
        for instrument in INSTRUMENTS:
            if instrument.kind is Kind.GAUGE:
                yield _of_gauge(instrument, samples)
            elif instrument.kind is Kind.COUNTER:
                yield _of_counter(instrument, sums)
            else:
                yield _of_histogram(instrument, sums)


@blueprint.get(PATH, responses={200: None, **problem_responses(401, 403, 429, 503)})
def get_metrics() -> Response:
    """Return every measure of the installation in Prometheus' text format."""
    exposition = cast("Exposition", current_app.extensions["metrics"])
    return Response(generate_latest(exposition), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def register(app: Flask, services: Services) -> None:
    """Prepare what `/metrics` reads; nothing is read yet."""
    app.extensions["metrics"] = Exposition(services)


def _of_gauge(instrument: Instrument, samples: Iterable[Sample]) -> Metric:
    metric = _metric(instrument)
    for one in samples:
        if one.instrument is instrument:
            labels = dict(zip(instrument.labels, one.labels, strict=True))
            metric.add_sample(instrument.name, labels, one.value)
    return metric


def _of_counter(instrument: Instrument, sums: Mapping[Series, float]) -> Metric:
    metric = _metric(instrument)
    for series, value in _named(sums, instrument.name):
        metric.add_sample(instrument.name, dict(series.labels), value)
    return metric


def _of_histogram(instrument: Instrument, sums: Mapping[Series, float]) -> Metric:
    """Return a histogram; what an earlier Lamina counted by other borders counts as far as it can.

    The catalog holds how many are in each bucket alone, Prometheus wants how many are up to its
    border.
    """
    metric = _metric(instrument)
    counts: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    for series, value in _named(sums, instrument.name + BUCKET):
        labels = tuple(one for one in series.labels if one[0] != BORDER)
        counts.setdefault(labels, {})[float(dict(series.labels)[BORDER])] = value
    totals = {series.labels: value for series, value in _named(sums, instrument.name + SUM)}
    for labels, buckets in counts.items():
        for border in (*instrument.buckets, float("inf")):
            upto = sum(count for upper, count in buckets.items() if upper <= border)
            shown = dict(labels) | {BORDER: "+Inf" if border == float("inf") else str(border)}
            metric.add_sample(instrument.name + BUCKET, shown, upto)
        metric.add_sample(f"{instrument.name}_count", dict(labels), sum(buckets.values()))
        metric.add_sample(instrument.name + SUM, dict(labels), totals.get(labels, 0.0))
    return metric


def _metric(instrument: Instrument) -> Metric:
    return Metric(instrument.name.removesuffix(_TOTAL), instrument.about, instrument.kind.value)


def _named(sums: Mapping[Series, float], name: str) -> Sequence[tuple[Series, float]]:
    return sorted((series, value) for series, value in sums.items() if series.name == name)
