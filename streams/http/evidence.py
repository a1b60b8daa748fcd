"""An alert record as its page reads it: what has another form than documented is no evidence, and breaks no page."""

from __future__ import annotations

import msgspec

from streams.alert_book import Of


class Interval(msgspec.Struct, frozen=True):
    """When it began."""

    at: str
    low: str
    high: str


class Effect(msgspec.Struct, frozen=True):
    """How large it is; of a provisional alarm ``before`` and ``now`` are the sides."""

    measure: str = ""
    baseline: float | None = None
    current: float | None = None
    before: float | None = None
    now: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    without_drift: float | None = None
    compared: str = ""

    @property
    def sides(self) -> tuple[float, float] | None:
        """Both sides, where they are single numbers."""
        first = self.baseline if self.before is None else self.before
        second = self.current if self.now is None else self.now
        return None if first is None or second is None else (first, second)


class Samples(msgspec.Struct, frozen=True):
    """Calls on both sides."""

    baseline: int | None = None
    current: int | None = None
    before: int | None = None
    now: int | None = None
    left_out: float | None = None


class Delay(msgspec.Struct, frozen=True):
    """From the beginning until it was noticed."""

    calls: int
    s: float


class FalseAlarm(msgspec.Struct, frozen=True):
    """The budget."""

    every: str
    every_calls: int = 0


class Explained(msgspec.Struct, frozen=True):
    """What other questions account for, and what they do not."""

    mix: float
    mix_low: float
    mix_high: float
    conditional: float
    low: float
    high: float
    unlike: bool = False


class Marker(msgspec.Struct, frozen=True):
    """The marker that moved nearest to the beginning."""

    field: str
    before: str = ""
    after: str = ""
    at: str = ""


class Shift(msgspec.Struct, frozen=True):
    """How far the sampled answers of a topic lie along the drift."""

    shift: float
    low: float
    high: float
    z: float = 0.0


class Topic(msgspec.Struct, frozen=True):
    """A topic that moved."""

    label: str = ""
    words: str = ""
    share_before: float | None = None
    share_now: float | None = None
    z: float | None = None
    shift: Shift | None = None
    calls: int | None = None
    sampled: bool = False
    examples: list[str] = []


class Ngram(msgspec.Struct, frozen=True):
    """A phrase that came or went."""

    text: str
    share_before: float
    share_now: float
    opening: bool = False
    z: float = 0.0


class Slice(msgspec.Struct, frozen=True):
    """One value of a field."""

    field: str
    value: str
    calls: int
    share_before: float
    share_now: float
    contribution: float
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    baseline: float | None = None
    current: float | None = None
    z: float = 0.0
    p_adjusted: float = 1.0
    carries: bool = False
    sampled: bool = False
    against_all: bool = False


class Step(msgspec.Struct, frozen=True):
    """How far a prompt version's answers lie from another's."""

    size: float
    low: float
    high: float
    samples: int = 0
    given_inputs: bool = True


class Version(msgspec.Struct, frozen=True):
    """A prompt version in the chain of edits."""

    version: str
    since: str
    calls: int
    length_change: float = 0.0
    step: Step | None = None
    from_anchor: Step | None = None
    variant: str = ""


class Rule(msgspec.Struct, frozen=True):
    """The rule of prompt versions that was broken."""

    rule: str
    calls: int
    version: str = ""
    before: str = ""
    after: str = ""


class Example(msgspec.Struct, frozen=True):
    """One call."""

    input: str = ""
    output: str = ""


class Examples(msgspec.Struct, frozen=True):
    """Calls of the baseline, calls that the alarm is about, and those that it is least about."""

    before: list[Example] = []
    now: list[Example] = []
    least: list[Example] = []


class Acknowledged(msgspec.Struct, frozen=True):
    """Who has taken notice of it, when and why."""

    at: str = ""
    by: str = ""
    why: str = ""


class Record(msgspec.Struct, frozen=True):
    """One record of an alarm, all of it."""

    record_id: str
    alert_id: str
    state: str
    segment: Of
    kind: str
    detector: str
    sentence: str
    raised_at: str
    since: str
    calls_seen: int
    statistic: float | None = None
    threshold: float | None = None
    false_alarm: FalseAlarm | None = None
    baseline: str = ""
    lens: str = ""
    provisional: bool = False
    resolved_at: str = ""
    acknowledged: Acknowledged | None = None
    effect: Effect | None = None
    delay: Delay | None = None
    samples: Samples | None = None
    level: str = ""
    members: list[str] = []
    held_back: list[str] = []
    explained: Explained | None = None
    change_point: Interval | None = None
    marker: Marker | None = None
    topics: list[Topic] = []
    ngrams: list[Ngram] = []
    chain: list[Version] = []
    prompt_version: str = ""
    rule: Rule | None = None
    slices: list[Slice] = []
    examples: Examples | None = None
    replay: str = ""


def read(data: bytes | None) -> Record | None:
    """A record, None where there is none or it is not as documented."""
    try:
        return None if data is None else msgspec.json.decode(data, type=Record)
    except (msgspec.MsgspecError, RecursionError):
        return None
