"""False alarms that a check has counted, from what ``driftline check-alarms --json`` says: beside what is promised."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from drift.errors import BrokenOffError, CorruptError
from streams import sources
from streams.wording import roughly

TOGETHER = "together"
"""What a check calls all detectors."""

SAID = {
    "kept": "the promise is kept, as far as the interval tells",
    "broken": "the promise is broken",
    "not_enough_exposure": "too few calls to tell whether the promise is kept",
}

WHERE = {
    "resampled": "by resampling",
    "smaller_budget": "in the same runs, had more been allowed",
    "held_back": "on held-back calls",
}
"""Which calls were judged."""

LONGEST = 16 << 20


class Counted(msgspec.Struct, frozen=True):
    """Alarms of a detector, or of all together, in so many calls without drift.

    Attributes
    ----------
    of
        ``resampled``, ``smaller_budget`` or ``held_back``.
    one_every_calls
        Calls between alarms, None where there was none; ``low`` and ``high`` are its 95 % interval.
    """

    of: str
    baseline: str
    detector: str
    promised_every_calls: float
    calls: float
    alarms: int
    answer: str
    one_every_calls: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def where(self) -> str:
        """Which calls were judged."""
        return WHERE.get(self.of, "otherwise")

    @property
    def every(self) -> str:
        """Calls between alarms."""
        return "none" if self.one_every_calls is None else f"one in {roughly(self.one_every_calls)} calls"

    @property
    def interval(self) -> str:
        """What is known of the calls between alarms."""
        low = roughly(self.low or 0)
        return f"more than {low}" if self.high is None else f"{low} to {roughly(self.high)}"

    @property
    def realised(self) -> str:
        """How often there was an alarm, and what that means for the promise."""
        many = f"{self.alarms:,} alarm{'s' * (self.alarms != 1)} in {self.calls:,.0f} calls"
        said = SAID.get(self.answer, "nothing can be said of the promise")
        return f"realised {self.every} (95 %: {self.interval}; {many}): {said}"


@dataclass
class Check:
    """What was counted for a baseline: of all detectors together by ``of``, and of each alone by resampling."""

    together: dict[str, Counted] = field(default_factory=dict)
    alone: dict[str, Counted] = field(default_factory=dict)


def read(path: str) -> dict[str, Check]:
    """Checks by baseline; of several of one baseline the last.

    Raises
    ------
    SourceError
        The file cannot be read.
    CorruptError
        It holds something else, or nothing.
    """
    found: dict[str, Check] = {}
    try:
        for line in sources.lines(path, max_line=LONGEST):
            one = msgspec.json.decode(line.data, type=Counted)
            check = found.setdefault(one.baseline, Check())
            if one.detector == TOGETHER:
                check.together[one.of] = one
            elif one.of == "resampled":
                check.alone[one.detector] = one
    except (msgspec.MsgspecError, BrokenOffError, RecursionError) as error:
        raise CorruptError(f"--check {path} is not what 'driftline check-alarms --json' says ({error})") from error
    if not found:
        raise CorruptError(f"--check {path} is empty: write it by 'driftline check-alarms NAME --json > {path}'")
    return found
