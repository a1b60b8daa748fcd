"""What prompt edits have done, taken together: each version's answers against the anchor's, and against the last one's.

The anchor v0 is a baseline that never moves by itself. A version's answers are read as residuals of what the anchor
would have answered to the same inputs (Kitagawa 1955; Oaxaca 1973, Blinder 1973), so that another mix of questions is
no prompt drift. Sums add up: the chain of versions is bounded, and the same however calls fall into blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from drift.anchor import Anchor, Level
from drift.call import LENGTH_GRID, Rows
from drift.detectors.memory import FloatArray
from drift.effects import Effect, Z
from drift.fit import Features
from drift.pane import Pane, Table

FIRST_LOOK = 64
"""Compared answers of a version at which its distance is first tested; then at every half as many more."""

TOLD = 32
"""Compared answers of a version from which its distance is told."""

ENOUGH = 3000
"""Compared answers after which a version's are summed no further: what comes later is no work of its edit."""

MOST = 32
"""Versions that are remembered, the latest."""

COVERED = 0.5
"""Share of a version's answers whose input must be like the anchor's: else its template is part of the input."""

SUREST = 700.0
"""Natural log beyond which a probability is not told apart from zero."""

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A prompt version as its calls have shown it.

    ``given`` sums residuals given the input over ``compared`` answers, ``plain`` coordinates whatever the input over
    ``answered`` ones, ``(r,)`` each; ``logs`` is by how much their log characters exceed the anchor's, topic by topic.
    """

    stratum: int
    name: str
    variant: str
    first: int
    last: int
    calls: int
    answered: float
    compared: float
    given: FloatArray
    plain: FloatArray
    logs: float
    looked: float = 0.0
    evidence: float = 0.0
    wanted: float = 0.0

    @property
    def outside(self) -> bool:
        """Whether the last look was sure that it lies outside the tolerance."""
        return self.looked > 0 and self.evidence >= self.wanted

    @property
    def covered(self) -> bool:
        """Whether its inputs are like the anchor's."""
        return self.compared >= COVERED * self.answered

    @property
    def length(self) -> float:
        """Relative change of the typical length of answers against the anchor's."""
        return float(np.expm1(self.logs / max(self.answered, 1.0)))

    def mean(self, given: bool) -> tuple[FloatArray, float]:
        """Mean coordinates, given the input or not, and the answers that they rest on."""
        n = self.compared if given else self.answered
        return (self.given if given else self.plain) / max(n, 1.0), n


@dataclass(frozen=True, slots=True)
class Chain:
    """Versions other than the anchor's, in the order in which they were first seen.

    ``outside_at`` is the calls judged when one that lies outside the tolerance was last seen.
    """

    versions: tuple[Version, ...] = ()
    forgotten: int = 0
    outside_at: int = 0


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two versions' answers to like inputs lie apart, in residual standard deviations, noise taken off.

    ``square`` over ``scale`` follows a noncentral chi-square of ``freedom`` degrees.
    """

    size: float
    low: float
    high: float
    samples_before: float
    samples: float
    given_inputs: bool
    square: float
    scale: float
    freedom: float

    def beyond(self, tolerance: float) -> float:
        """Evidence that the distance exceeds a tolerance: -log of the chance of this if it were just the tolerance."""
        tail = stats.ncx2.sf(self.square / self.scale, self.freedom, tolerance**2 / self.scale)
        return float(min(-np.log(max(tail, np.exp(-SUREST))), SUREST))


def distance(anchor: Anchor, version: Version, before: Version | None = None) -> Distance:
    """Distance of a version from the anchor, or from the version before it.

    Where the inputs of either are not like the anchor's, as where the template is part of them, answers are compared
    whatever the input.
    """
    given = version.covered and (before is None or before.covered)
    level = anchor.given if given else anchor.plain
    mean, n = version.mean(given)
    centre, m = (level.mean, level.n) if before is None else before.mean(given)
    return _distance(level, mean - centre, max(n, 1.0), max(m, 1.0), given)


def _distance(level: Level, shift: FloatArray, n: float, m: float, given: bool) -> Distance:
    noise = 1 / n + 1 / m
    total, squares = float(np.trace(level.cov)), float((level.cov**2).sum())
    square = float(shift @ shift)
    found = max(square - total * noise, 0.0)
    error = float(np.sqrt(2 * squares * noise**2 + 4 * noise * float(shift @ level.cov @ shift)))
    low, high = (float(np.sqrt(max(square - total * noise + Z * way * error, 0.0))) for way in (-1, 1))
    scale = noise * squares / max(total, 1e-12)  # Satterthwaite 1946
    return Distance(float(np.sqrt(found)), low, high, m, n, given, square, scale, total**2 / max(squares, 1e-12))


def effect(found: Distance) -> Effect:
    """A distance as the effect of an alarm."""
    return Effect(
        "shift of answers to like questions" if found.given_inputs else "shift of answers whatever the question",
        found.size,
        found.size,
        found.low,
        found.high,
        "residual standard deviations",
        found.samples_before,
        found.samples,
        float(np.sqrt(found.scale * found.freedom)),
    )


def update(anchor: Anchor, chain: Chain, pane: Pane, grown: BoolArray, *, most: int = MOST) -> Chain:
    """The chain after another block of calls.

    Parameters
    ----------
    grown
        Topics of the lens whose answers are set aside, shape ``(topics,)``.
    most
        Versions that are remembered.
    """
    cells = pane.sums.cells
    codes = [int(code) for code in np.unique(cells["stratum"]) if int(code) != anchor.stratum]
    found = {code: pane.names.get(code, "").split("\x1f") for code in codes}
    others = {code: name for code, name in found.items() if name[0] and name[0] != anchor.name}
    if not others:
        return chain
    versions = {one.stratum: one for one in chain.versions}
    for code, (name, *variant) in sorted(others.items(), key=lambda item: item[1]):
        known = versions.get(code) or unseen(anchor, code, name, "".join(variant), pane.tick)
        versions[code] = add(anchor, known, cells[cells["stratum"] == np.uint64(code)], pane.end, grown)
    kept = sorted(versions.values(), key=lambda one: (one.first, one.name, one.variant))
    return replace(chain, versions=tuple(kept[-most:]), forgotten=chain.forgotten + max(len(kept) - most, 0))


def unseen(anchor: Anchor, code: int, name: str, variant: str, tick: int) -> Version:
    """A version of which no call was seen before this tick."""
    nothing = np.zeros(len(anchor.given.mean))
    return Version(code, name, variant, tick, tick, 0, 0.0, 0.0, nothing, nothing, 0.0)


def add(anchor: Anchor, version: Version, cells: Table, end: int, grown: BoolArray | None = None) -> Version:
    """A version after more of its calls, the last of them in a tick that ended at ``end``."""
    version = replace(version, calls=version.calls + int(cells["n"].sum()), last=end)
    if version.mean(version.covered)[1] >= ENOUGH:
        return version
    frame, fit = anchor.baseline.frame, anchor.baseline.fit
    answered = cells[(cells["answered"] == 1) & (cells["topic"] >= 0)]
    topic, n = frame.topic(answered["topic"]), answered["n"].astype(np.float64)
    there = like(anchor, answered)
    if grown is not None:
        there &= ~grown[answered["topic"]]
    kept = answered[there]
    inputs = frame.inputs(kept["features"][:, 0].sum(axis=0), n[there].sum())
    expected = n[there] @ anchor.centres[topic[there]] + inputs @ fit.slope
    logs = float(answered["length"][:, 0].sum()) / LENGTH_GRID - float(n @ anchor.lengths[topic])
    return replace(
        version,
        answered=version.answered + float(n.sum()),
        compared=version.compared + float(n[there].sum()),
        given=version.given + _answers(anchor, kept) - expected,
        plain=version.plain + _answers(anchor, answered),
        logs=version.logs + logs,
    )


def like(anchor: Anchor, answered: Table) -> BoolArray:
    """Which of these cells or rows have inputs like the anchor's, whose answers can be compared."""
    frame = anchor.baseline.frame
    return np.asarray((answered["band"] < frame.bands) & anchor.known[frame.topic(answered["topic"])])


def _answers(anchor: Anchor, cells: Table) -> FloatArray:
    return anchor.baseline.frame.answers(cells["features"][:, 1:].sum(axis=0), cells["length"].sum(axis=0))


def look(anchor: Anchor, version: Version, tolerance: float, every: float) -> Version:
    """The version once it has been tested, if it is due.

    Parameters
    ----------
    every
        Compared answers that may pass, of all versions together, before one is wrongly found outside: each look may
        err with the chance that belongs to the answers since the last one.
    """
    n = version.mean(version.covered)[1]
    if n < FIRST_LOOK or n < 1.5 * version.looked:
        return version
    wanted = float(np.log(max(every / (n - version.looked), 2.0)))
    return replace(version, looked=n, evidence=distance(anchor, version).beyond(tolerance), wanted=wanted)


@dataclass(frozen=True, slots=True)
class Link:
    """A version in the chain: its distance from the one before and from the anchor, None where too little is known."""

    version: Version
    step: Distance | None
    total: Distance | None


def links(anchor: Anchor, chain: Chain) -> tuple[Link, ...]:
    """The chain as it is told; the first remembered version has no step where others before it were forgotten."""
    made: list[Link] = []
    before: Version | None = None
    for number, one in enumerate(chain.versions):
        told = one.mean(one.covered)[1] >= TOLD
        lost = number == 0 and chain.forgotten > 0
        step = distance(anchor, one, before) if told and not lost else None
        made.append(Link(one, step, distance(anchor, one) if told else None))
        before = one if told else before
    return tuple(made)


def way(anchor: Anchor, version: Version) -> FloatArray:
    """Unit direction in which a version's answers have moved from the anchor's, ``(r,)``."""
    level = anchor.given if version.covered else anchor.plain
    shift = version.mean(version.covered)[0] - level.mean
    return np.asarray(shift / max(float(np.linalg.norm(shift)), 1e-12))


def along(anchor: Anchor, version: Version, rows: Rows) -> FloatArray:
    """How far each sampled answer of a version lies along its way, in residual standard deviations; NaN without one."""
    features = Features.of(anchor.baseline.frame, rows)
    level, values = anchor.given if version.covered else anchor.plain, features.answers
    if version.covered:
        values = values - anchor.centres[features.topic] - features.inputs @ anchor.baseline.fit.slope
    there = (rows["answered"] == 1) & (features.topic >= 0)
    return np.where(there, (values - level.mean) @ way(anchor, version), np.nan)
