"""Baselines and lenses that a worker of the service has taken from the store, each read once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from drift.baseline import Baseline, Kept
from drift.call import Declared
from drift.errors import LensMismatchError, SourceError
from drift.lens import Lens
from streams.measure import Meter
from streams.moves import Timetable
from streams.observe import Sight
from streams.privacy import private
from streams.store import Store

ANCHOR = "anchor"
"""Tag of the baseline whose prompt version the later ones of a segment are compared with."""

READ = 2000
"""Baselines that are kept in memory."""


def require_embedder(meter: Meter, lens: Lens, owner: str) -> None:
    """Refuse a lens, named by what it belongs to, that another embedder was measured by.

    Raises
    ------
    LensMismatchError
        The embedder of this run is another one.
    """
    if lens.embedder != meter.embedder.identity:
        raise LensMismatchError(
            f"{owner} was made with {lens.embedder!r}, this run measures by {meter.embedder.identity!r}: "
            "give --embedder as it was, or make it again with this one"
        )


class Shelf:
    """What the store holds, for one embedder.

    Parameters
    ----------
    scores
        Named scores to measure of segments without a baseline.

    Attributes
    ----------
    default
        Id of the lens of segments without a baseline.
    """

    def __init__(self, store: Store, meter: Meter, scores: Sequence[str] = ()) -> None:
        self._store, self._meter = store, meter
        self._default = Sight(meter.default_lens(), Declared(scores=tuple(scores)))
        self.default = self._default.lens.id
        self.baseline = lru_cache(READ)(self._baseline)
        self._sight = lru_cache(READ)(lambda name: Sight.of(self.baseline(name)))

    @property
    def calibrations(self) -> Kept:
        """Calibrations of earlier builds."""
        return self._store.calibrations

    def _baseline(self, name: str) -> Baseline:
        """A stored baseline by its id.

        Raises
        ------
        SourceError
            The store lacks it.
        LensMismatchError
            It was made with another embedder than this worker's.
        """
        try:
            found = private(self._store.baseline(name), self._meter.texts)
        except SourceError as error:
            raise SourceError(f"{error}; with several workers the store must be one that all of them reach") from error
        require_embedder(self._meter, found.lens, f"baseline {found.id} of {found.segment}")
        return found

    def put(self, baseline: Baseline) -> None:
        """Store a baseline."""
        self._store.put_baseline(baseline)

    def lens(self, name: str) -> Lens:
        """The default lens or a stored one, by its id."""
        return self._default.lens if name == self.default else self._store.lens(name)

    def origin(self, segment: str, baseline: Baseline) -> Baseline | None:
        """The baseline of the segment's anchor, if it was seen through the same lens."""
        if not self._store.has_tag(segment, ANCHOR):
            return None
        found = self.baseline(self._store.history(segment, ANCHOR)[-1].baseline)
        return found if found.pane.lens == baseline.pane.lens else None

    def sight(self, timetable: Timetable, segment: str, tick: int) -> Sight:
        """How a segment is seen in a tick: as the baseline that the tag names then, or by default."""
        move = timetable.at(segment, tick)
        return self._default if move is None else self._sight(move.baseline)
