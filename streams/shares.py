"""Budgets of segments: one each, or shares of a fleet's."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from drift.budget import Budget
from drift.errors import SettingsError
from drift.fleet import Fleet
from streams.measure import parts_of


class Shares:
    """Which segments the budget has room for, and what each may use of it.

    Parameters
    ----------
    budget
        Of each segment, where there is no fleet.
    known
        Segments whose baselines were given: they have room whatever turns up first.
    among
        How many have an equal part each of the room that is left, of which this is one.

    Raises
    ------
    SettingsError
        The known segments alone weigh more than the fleet was declared to.
    """

    def __init__(
        self,
        budget: Budget,
        fleet: Fleet | None,
        known: Iterable[str],
        warn: Callable[[str], None] = lambda text: None,
        *,
        among: int = 1,
    ) -> None:
        """Take the room of the known segments."""
        self._budget, self._fleet, self._warn = budget, fleet, warn
        self._taken = sum(map(self._weight, known))
        self._told = False
        if fleet is not None and not fleet.holds(self._taken, 0.0):
            raise SettingsError(
                f"fleet: the given baselines weigh {self._taken:g}, the declared segments {fleet.total:g} together: "
                "raise fleet.segments"
            )
        if fleet is not None:
            self._taken = fleet.total - (fleet.total - self._taken) / among

    def admits(self, name: str) -> bool:
        """Whether there is room for one more segment, which then has it."""
        if self._fleet is None:
            return True
        weight = self._weight(name)
        if self._fleet.holds(self._taken, weight):
            self._taken += weight
            return True
        if not self._told:
            self._warn(
                f"{name} and maybe more are not judged: they would overdraw the fleet's budget, declared for "
                f"{self._fleet.segments:,} segments of weight {self._fleet.total:g} together; raise fleet.segments"
            )
            self._told = True
        return False

    def of(self, names: Iterable[str]) -> Budget:
        """Budget of a segment, or of a pool of several: that of its least important member.

        Each member has room of its own, and all of them are never judged alone while their pool is judged too: so
        pools overdraw nothing.
        """
        return self._budget if self._fleet is None else self._fleet.share(min(map(self._weight, names)))

    def _weight(self, name: str) -> float:
        app, prompt, _ = parts_of(name)
        return self._fleet.weight((name, prompt, app)) if self._fleet else 0.0
