"""Compare some live queries with the exact answer, when there is nothing else to search."""

import os
import queue
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import structlog

from shared.domain import Policy, Vectors
from shared.errors import Retryable
from shared.ports import Chores, Snapshot

log = structlog.get_logger(__name__)

_K = 10
"""Recall is that of the best so many, as in the target of an index rule."""
_WAITING = 32
"""Samples that may wait; more are dropped."""
_PAUSE_SECONDS = 1.0
"""Under constant searches a sample is looked at after this long all the same."""
_ROUNDING = 1e-6
"""How much the same vector's score may differ between two ways to compute it, relatively."""


@dataclass(frozen=True, slots=True)
class _Sample:
    snapshot: Snapshot
    query: Vectors
    scores: Vectors


class RecallSampler:
    """Watches searches go by and looks at a share of them again, exactly.

    One thread of the lowest priority does it while no search is in flight. It never delays a
    search: a sample too many is dropped.
    """

    def __init__(self, chores: Chores, *, share: float) -> None:
        """Compare *share* of the searches, 0 to 1, and record them in *chores*."""
        self._chores = chores
        self._share = share
        self._samples: queue.Queue[_Sample | None] = queue.Queue(_WAITING)
        self._lock = threading.Lock()
        self._quiet = threading.Condition(self._lock)
        self._searching = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Say that a search is in flight."""
        with self._lock:
            self._searching += 1
        try:
            yield
        finally:
            with self._lock:
                self._searching -= 1
                if not self._searching:
                    self._quiet.notify_all()

    def offer(self, snapshot: Snapshot, query: Vectors, scores: Vectors) -> None:
        """Perhaps look again at a search.

        Args:
            snapshot: what was searched; only approximate layouts are of interest.
            query: `(1, dimension)`.
            scores: what was found, best first, `(m,)`.
        """
        if not len(scores) or not _approximate(snapshot) or random.random() >= self._share:  # noqa: S311 - a sample
            return
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recall", daemon=True)
                self._thread.start()
        try:
            self._samples.put_nowait(_Sample(snapshot, query, scores[:_K]))
        except queue.Full:
            log.debug("recall_sample_dropped")

    def close(self) -> None:
        """End the thread; samples that still wait are dropped."""
        with self._lock:
            self._closed = True
            self._quiet.notify_all()
        if self._thread:
            try:
                self._samples.put_nowait(None)
            except queue.Full:
                log.debug("recall_samples_left")  # the thread looks at `_closed` after each
            self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere priorities belong to processes
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while (sample := self._samples.get()) and self._wait_for_quiet():
            try:
                self._compare(sample)
            except Retryable as error:
                log.debug("recall_sample_lost", error=str(error))

    def _wait_for_quiet(self) -> bool:
        """Wait until nothing is searched, but not for long; false when all is over."""
        with self._lock:
            self._quiet.wait_for(lambda: self._closed or not self._searching, _PAUSE_SECONDS)
            return not self._closed

    def _compare(self, sample: _Sample) -> None:
        manifest = sample.snapshot.manifest
        exact, _ = sample.snapshot.search(sample.query, len(sample.scores), exact=True)
        self._chores.sample(
            manifest.collection_id,
            version=manifest.version,
            k=len(sample.scores),
            recall=share_found(sample.scores, exact[0], higher=manifest.metric.higher_is_better),
        )


def share_found(found: Vectors, exact: Vectors, *, higher: bool) -> float:
    """Return which share of the exact best k was found, 0 to 1.

    What was found counts as right when its score is at least that of the k-th best: of vectors
    that tie there, any will do.

    Args:
        found: true scores of what was found, best first.
        exact: scores of the exact best k, best first, `(k,)`.
        higher: whether a higher score is better.
    """
    worst = float(exact[-1])
    slack = _ROUNDING * max(1.0, abs(worst))
    right = found >= worst - slack if higher else found <= worst + slack
    return min(1.0, float(np.count_nonzero(right)) / len(exact))


def _approximate(snapshot: Snapshot) -> bool:
    """Whether any segment may miss something."""
    return any(
        segment.layout is not None and segment.layout.policy is not Policy.FLAT
        for segment in snapshot.manifest.segments
    )
