"""Verdicts in words that a person understands at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from drift.alarm import Alarm
from drift.effects import SCORE, Effect, relative
from drift.explain import ChangePoint
from drift.fit import OFF_TOPIC, THUMBS_DOWN
from drift.mix import Split
from drift.phrases import Phrase, became
from drift.prompt_rules import Breach
from drift.slices import Sliced

MOSTLY = 0.8
"""Share of a change from which one cause is said to account for it."""

VAGUE_SHARE, VAGUE_MS = 0.25, 600_000
"""A change is dated by its interval where that is longer than this share of the time until it was noticed, and this."""

LOUDER = {
    "input_length": ("questions to {} are", "longer", "shorter"),
    "output_length": ("answers of {} are", "longer", "shorter"),
    "latency": ("answers of {} are", "slower", "faster"),
    "ttft": ("the first words of {} come", "later", "sooner"),
    "cost": ("calls of {} are", "dearer", "cheaper"),
}
FLAG = {
    "off_topic": "of questions to {} are far from every topic of the baseline",
    "error": "of {}'s calls fail",
    "truncated": "of {}'s answers are cut off",
    "empty_output": "of {}'s answers are empty",
    THUMBS_DOWN: "of {}'s rated answers are rated down",
}
MARKER = {
    "model": "the requested model",
    "served_model": "the served model",
    "fingerprint": "the fingerprint",
    "prompt_version": "the prompt version",
    "prompt_hash": "the prompt template",
    "app_version": "the app version",
    "region": "the region",
}


def moment(ms: int) -> str:
    """An instant such as ``14:32 UTC on 7 January 2026``."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{at:%H:%M} UTC on {at.day} {at:%B} {at.year}"


def span(low: int, high: int, word: str) -> str:
    """Two instants with a word between them, such as ``00:48 to 01:23 on 5 January 2026 (UTC)``."""
    start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (low, high))
    year = f" {start.year}" if start.year != end.year else ""
    day = f" on {start.day} {start:%B}{year}" if start.date() != end.date() else ""
    return f"{start:%H:%M}{day} {word} {end:%H:%M} on {end.day} {end:%B} {end.year} (UTC)"


def since_when(point: ChangePoint, noticed: int) -> tuple[str, bool]:
    """When a change began: an instant or, where that would say too much, an interval; and whether it is one."""
    width = point.high - point.low
    if width > VAGUE_MS and width > VAGUE_SHARE * (noticed - point.low):
        return f"Since some time between {span(point.low, point.high, 'and')}", True
    return f"Since {moment(point.at)}", False


def spelled_out(text: str) -> str:
    """Names of measures as people say them."""
    return text.replace("ttft", "time to first token")


def figure(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"  # never -0
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def roughly(number: float) -> str:
    """A large number, two digits that count."""
    return f"{float(f'{number:.2g}'):,.0f}"


def percent(share: float) -> str:
    """A share, two digits that count."""
    return f"{share * 100:.2g} %" if abs(share) < 0.1 else f"{share * 100:.0f} %"


def change(value: float, unit: str, measure: str = "") -> str:
    """A difference between two sides: of lengths, times and costs it is relative (``ratio``), of shares in points."""
    number, unit = _parts(value, unit, measure)
    return f"{number} {unit}".rstrip()


def between(low: float, high: float, unit: str, measure: str = "") -> str:
    """An interval of differences, the unit said once."""
    (least, unit), (most, _) = (_parts(value, unit, measure) for value in (low, high))
    return f"{least} to {most} {unit}".rstrip()


def _parts(value: float, unit: str, measure: str) -> tuple[str, str]:
    """The number of a difference, with its sign where it has a way, and its unit."""
    of_baseline = unit == "ratio" or relative(measure)
    sign = "+" if value > 0 and (of_baseline or unit in ("points", "score")) else "−" if value < 0 else ""
    if of_baseline or unit == "points":
        return sign + percent(abs(value)).removesuffix(" %"), "%" if of_baseline else "points"
    return sign + figure(abs(value)), "" if unit == "score" else unit


def lasting(days: float) -> str:
    """How long something lasts, such as ``9 hours`` or ``3 days``."""
    for unit, length in (("day", 1.0), ("hour", 1 / 24), ("minute", 1 / 1440)):
        if (number := days / length) >= 1.95 or unit == "minute":
            many = max(round(number), 1)
            return f"{many:,} {unit}{'s' * (many != 1)}"
    raise AssertionError


def what_drifted(segment: str, detector: str, found: Effect) -> str:
    """The clause that names the change and its size."""
    if detector in FLAG:
        before = f"{percent(found.baseline or 0)} {'before' if detector != OFF_TOPIC else 'at most before'}"
        return f"{percent(found.current or 0)} {FLAG[detector].format(segment)} ({before})"
    if detector in LOUDER:
        head, more, less = LOUDER[detector]
        if found.measure.startswith("spread"):
            spread = "more" if found.estimate > 0 else "less"
            return f"{head.format(segment)} {spread} spread out (spread {percent(abs(found.estimate))} {spread})"
        sizes = f"{figure(found.baseline or 0)} → {figure(found.current or 0)} {found.unit}"
        return f"{head.format(segment)} {percent(abs(found.estimate))} {more if found.estimate > 0 else less} ({sizes})"
    if found.unit == SCORE:
        way = "higher" if found.estimate > 0 else "lower"
        scores = f"{figure(found.baseline or 0)} → {figure(found.current or 0)}"
        return f"answers of {segment} score {way} on {found.measure.removeprefix('score ')}: {scores}"
    if detector == "topics":
        return f"{percent(found.size)} of what people ask {segment} has moved to other topics"
    if detector == "inputs":
        return (
            f"people put other questions to {segment}: inputs have shifted by {figure(found.size)} standard deviations"
        )
    if detector == "answers_overall":
        return (
            f"answers of {segment} have moved by {figure(found.size)} residual standard deviations "
            f"({figure(found.low)} to {figure(found.high)}), whatever the question: most inputs are unlike the "
            "baseline's, so like cannot be compared with like"
        )
    return (
        f"{segment} answers like questions differently: by {figure(found.size)} residual standard deviations "
        f"({figure(found.low)} to {figure(found.high)})"
    )


def what_moved(topics: Sequence[Mapping[str, object]]) -> str:
    """The topics that grew and shrank, in words."""
    grew = [(_about(t, "words", "label"), _course(t)) for t in topics if float(str(t["z"])) > 2]
    shrank = [(_about(t, "label"), _course(t)) for t in topics if float(str(t["z"])) < -2]
    said = [_told("more about", "grew", grew), _told("less about", "shrank", shrank)]
    return ", ".join(filter(None, said))


def _about(topic: Mapping[str, object], *names: str) -> str:
    return next((str(topic[name]) for name in names if topic.get(name)), "")


def _course(topic: Mapping[str, object]) -> str:
    return f"{percent(float(str(topic['share_before'])))} → {percent(float(str(topic['share_now'])))}"


def _told(about: str, moved: str, topics: Sequence[tuple[str, str]]) -> str:
    """Two topics by their words; all by their number where none has words, as where texts are not kept."""
    if named := [f"“{words}” ({course})" for words, course in topics if words][:2]:
        return f"{about} {'; '.join(named)}"
    if not topics:
        return ""
    courses = "; ".join([course for _, course in topics[:2]] + ["…"] * (len(topics) > 2))
    return f"{len(topics)} topic{'s' * (len(topics) != 1)} without known words {moved} ({courses})"


def what_turned(turns: Sequence[Phrase]) -> str:
    """The phrases that came and went, how answers begin first."""
    if pair := became(turns):
        one, other = pair
        return (
            f"in answers “{_shown(one.text)}” ({percent(one.before)} → {percent(one.now)}) "
            f"became “{_shown(other.text)}” ({percent(other.before)} → {percent(other.now)})"
        )
    came = [one for one in turns if one.z > 0]
    went = [one for one in turns if one.z < 0]
    told = sorted(came, key=lambda one: not one.opening)[:1] + sorted(went, key=lambda one: not one.opening)[:1]
    parts = []
    for one in told:
        verb = "begin with" if one.opening else "hold"
        less = " less often" if one.z < 0 else ""
        parts.append(f"{verb} “{_shown(one.text)}”{less} ({percent(one.before)} → {percent(one.now)})")
    return "answers now " + " and ".join(parts) if parts else ""


def _shown(text: str) -> str:
    return text.replace("\n", "⏎").strip() or "⏎"


def what_explains(parts: Split, *, unlike: bool = False) -> str:
    """How much of a change other questions account for, where most of them are like the baseline's."""
    if unlike:
        return "most questions are unlike the baseline's: how much they account for is not known"
    if parts.share >= MOSTLY:
        return f"other questions account for {percent(parts.share)} of it"
    if parts.share <= 1 - MOSTLY:
        return "other questions account for hardly any of it"
    return f"other questions account for {percent(parts.share)} of it, the rest is in the answers"


def what_carries(slices: Sequence[Sliced]) -> str:
    """The value that carries a drift, and what is left of it elsewhere; empty where none does."""
    one = max((one for one in slices if one.carries), key=lambda one: (not one.sampled, one.z), default=None)
    if one is None or one.effect is None or one.elsewhere is None:
        return ""
    rest = one.elsewhere
    none = rest.low <= 0 <= rest.high
    field = MARKER.get(one.field, one.field).removeprefix("the ")
    told = f"{'only' if none else 'mostly'} {field} {one.value}: {_change(one.effect)} there"
    told += ", none elsewhere" if none else f", {_change(rest)} elsewhere"
    return f"{told} (by {one.calls} sampled calls of it)" if one.sampled else told


def _change(found: Effect) -> str:
    if found.baseline is None or found.current is None:
        return f"by {figure(found.size)} {found.unit}"
    if found.unit == "points":
        return f"{percent(found.baseline)} → {percent(found.current)}"
    sizes = f"{figure(found.baseline)} → {figure(found.current)}"
    return sizes if found.unit == SCORE else f"{sizes} {found.unit}"


def what_edits_did(segment: str, alarm: Alarm, tolerance: float) -> str:
    """What a prompt version and the edits before it have done, taken together."""
    found, (anchor, _) = alarm.effect, alarm.anchor
    assert found is not None
    place = next(i for i, one in enumerate(alarm.links) if one.version.name == alarm.version)
    chain = [one for one in alarm.links[: place + 1] if one.step is not None and one.total is not None]
    last = chain[-1]
    version = f"prompt version {alarm.version}" if alarm.version else "the prompt without a version"
    anchor, whose = (anchor, f"{anchor}'s") if anchor else ("calls without one", "theirs")
    said = (
        f"{version} of {segment} answers like questions differently from {anchor}: "
        f"by {figure(found.size)} residual standard deviations ({figure(found.low)} to {figure(found.high)}; "
        f"tolerance {figure(tolerance)})"
    )
    if len(chain) > 1:
        largest = max(chain, key=lambda one: one.step.size if one.step else 0.0)
        assert largest.step is not None
        outside = [one.version.name for one in chain if one.step and one.step.low > tolerance]
        within = f"{', '.join(outside)} surely outside it" if outside else "none of them surely outside it alone"
        said += (
            f", in {len(chain)} edits, {within} (the largest: {largest.version.name} by {figure(largest.step.size)})"
        )
    if abs(last.version.length) >= 0.05:
        way = "longer" if last.version.length > 0 else "shorter"
        said += f"; its answers are {percent(abs(last.version.length))} {way} than {whose}"
    if last.total is not None and not last.total.given_inputs:
        said += "; its inputs are unlike the anchor's, as if they held the template: compared whatever the input"
    return said


def what_was_broken(segment: str, breach: Breach) -> str:
    """The rule of prompt versions that calls broke."""
    so_far = f"{breach.calls} calls so far"
    if breach.rule == "hot_edit":
        version = f"prompt version {breach.version}" if breach.version else "the prompt without a version"
        return (
            f"the template of {version} of {segment} is another one though the version stayed "
            f"({breach.before} → {breach.after}): {so_far}"
        )
    if breach.rule == "unknown_version":
        return f"{segment} is called with prompt version {breach.version}, which is not an allowed one: {so_far}"
    return f"calls of {segment} carry no prompt version: {so_far}"


def what_preceded(marker: Mapping[str, object] | None, *, vague: bool, asked_for: str = "") -> str:
    """The change marker, or that none moved; of a silent change also the requested model, which stayed."""
    if marker is None:
        stayed = f": {asked_for} was asked for all along" if asked_for else ""
        return ("no marker moved meanwhile" if vague else "no marker moved at that time") + stayed
    before = f"from {marker['before']} " if marker["before"] else ""
    said = f"{MARKER[str(marker['field'])]} went {before}to {marker['after']} at {moment(int(str(marker['at_ms'])))}"
    silent = asked_for and marker["field"] in ("served_model", "fingerprint")
    return f"{said}, while {asked_for} was asked for all along" if silent else said
