"""Traffic that Driftline writes itself: three weeks of a support assistant, with changes whose truth is known.

Nothing but the daily rhythm moves in the first eight days. Then a recalled charger brings a new topic (days 8 to 10.5),
the provider swaps the served model under the same name and takes it back (days 12.5 to 14.5), the backend turns slow
(day 17), and a prompt edit asks for short answers (day 19). An alarm can clear before the next change of its kind.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from random import Random

from drift.errors import SettingsError
from streams.simulate_texts import GREETING, SCRIPT, SLOTS, THANKS, VERBS

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday

RECALL, RECALL_ENDS, MODEL_SWAP, ROLLBACK, SLOWDOWN, PROMPT_EDIT = 8.0, 10.5, 12.5, 14.5, 17.0, 19.0  # days
SWING, PEAK_HOUR = 0.5, 14  # of the rate, around its daily mean
TYPOS, LOWER_CASE, REMARKS, BULLETS, CUT_SHORT = 0.03, 0.12, 0.45, 0.52, 0.01  # shares of messages and answers


@dataclass(frozen=True, slots=True)
class Injected:
    """One change that the simulator makes, and the kinds of drift that it is."""

    kinds: tuple[str, ...]
    at: datetime
    what: str
    until: datetime | None = None  # None: it lasts


def injected(start: datetime = START) -> tuple[Injected, ...]:
    """Every change in the simulated traffic, once each, in order of time.

    The kinds are what a change is, not all that follows from it: longer answers are also slower and dearer, shorter
    ones quicker and cheaper, so ``operational`` may rightly be raised together with ``output_length``.

    Parameters
    ----------
    start
        Time of day zero, as given to `simulate`.
    """

    def at(day: float) -> datetime:
        return start + timedelta(days=day)

    return (
        Injected(("data",), at(RECALL), "a product recall takes a fifth of the questions", at(RECALL_ENDS)),
        Injected(("model", "output_length"), at(MODEL_SWAP), "a wordier model under the same name", at(ROLLBACK)),
        Injected(("operational",), at(SLOWDOWN), "latency doubles and timeouts rise from 0.5 % to 4 %"),
        Injected(("prompt", "output_length"), at(PROMPT_EDIT), "prompt v4 asks for one or two sentences"),
    )


def simulate(
    seed: int = 0, days: float = 21.0, calls_a_day: float = 700, start: datetime = START
) -> Iterator[dict[str, object]]:
    """Call records of a support assistant, in order of event time, all drawn from one seeded generator.

    A shorter run is the beginning of a longer one with the same seed.

    Parameters
    ----------
    seed
        The same seed gives the same records.
    days
        Length of the stream, possibly infinite; the last change comes on day 19.
    calls_a_day
        Mean rate, positive. It rises and falls by half every day.
    start
        Time of day zero, in UTC.

    Returns
    -------
    iterator of dict
        Records of the call contract. A call that timed out has no output, nor what comes with one.

    Raises
    ------
    SettingsError
        The rate is not positive, or the start not in UTC.
    """
    if not 0 < calls_a_day < math.inf:
        raise SettingsError(f"calls_a_day must be positive and finite, got {calls_a_day}; 700 is the default")
    if start.utcoffset() != timedelta(0):
        raise SettingsError(f"start must be in UTC, got {start.isoformat()}; convert it with start.astimezone(UTC)")
    rng = Random(seed)
    return (_call(rng, start + timedelta(days=day), _world(day)) for day in _arrivals(rng, days, calls_a_day))


def _arrivals(rng: Random, days: float, calls_a_day: float) -> Iterator[float]:
    """Times, in days, of a Poisson process with a daily rhythm: thinning (Lewis and Shedler, 1979)."""
    day = 0.0
    while (day := day + rng.expovariate(calls_a_day * (1 + SWING))) < days:
        rate = 1 + SWING * math.cos(2 * math.pi * (day - PEAK_HOUR / 24))
        if rng.random() * (1 + SWING) < rate:
            yield day


@dataclass(frozen=True, slots=True)
class _World:
    """What is true at one moment of the stream."""

    recall_share: float
    served_model: str
    fingerprint: str
    prompt_version: str
    style: "_Style"
    slowness: float
    queue_ms: float
    timeout_share: float


def _world(day: float) -> _World:
    swapped, slow, edited = MODEL_SWAP <= day < ROLLBACK, day >= SLOWDOWN, day >= PROMPT_EDIT
    return _World(
        recall_share=0.2 if RECALL <= day < RECALL_ENDS else 0.0,
        served_model="atlas-2-0612" if swapped else "atlas-2-0301",
        fingerprint="fp_b81c44" if swapped else "fp_3fa920",
        prompt_version="v4" if edited else "v3",
        style=_TERSE if edited else _CHATTY if swapped else _PLAIN,
        slowness=1.2 if slow else 1.0,
        queue_ms=1000.0 if slow else 0.0,  # most of the slowdown, so that short answers do not hide it
        timeout_share=0.04 if slow else 0.005,
    )


def _call(rng: Random, at: datetime, world: _World) -> dict[str, object]:
    topic = _RECALL if rng.random() < world.recall_share else rng.choices(_ORDINARY, _WEIGHTS)[0]
    details: dict[str, str] = {}
    question = _question(rng, topic, details)
    user = f"u{rng.randrange(4000):04d}"
    record: dict[str, object] = {
        "call_id": f"{rng.getrandbits(64):016x}",
        "event_time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "app": "support-bot",
        "prompt_name": "answer",
        "prompt_version": world.prompt_version,
        "model": "atlas-2",
        "app_version": "4.12.0",
        "region": rng.choices(("eu-west", "us-east", "ap-south"), (5, 3, 2))[0],
        "user_id": user,
        "session_id": f"{user}-{at:%m%d}",
        "input": question,
        "input_tokens": _tokens(question),
    }
    if rng.random() < world.timeout_share:
        return record | {"latency_ms": 30_000.0, "error_type": "timeout"}
    return record | _answered(rng, _answer(rng, topic, world.style, details), _tokens(question), world)


def _answered(rng: Random, answer: str, input_tokens: int, world: _World) -> dict[str, object]:
    """The fields that a call has only when it was answered."""
    cut = rng.random() < CUT_SHORT
    if cut:
        answer = answer[: int(len(answer) * rng.uniform(0.5, 0.9))].rstrip()
    tokens = _tokens(answer)
    first = world.queue_ms + world.slowness * rng.lognormvariate(math.log(320), 0.3)
    others = world.slowness * rng.lognormvariate(math.log(14), 0.15) * tokens
    return {
        "served_model": world.served_model,
        "fingerprint": world.fingerprint,
        "output": answer,
        "output_tokens": tokens,
        "ttft_ms": round(first, 1),
        "latency_ms": round(first + others, 1),
        "cost_usd": round(3e-6 * input_tokens + 15e-6 * tokens, 7),
        "finish_reason": "length" if cut else "stop",
    }


def _tokens(text: str) -> int:
    return round(1.3 * len(text.split()))


@dataclass(frozen=True, slots=True)
class _Topic:
    """One thing that customers ask about, with what they write and what they are told."""

    weight: float  # share of ordinary traffic, unnormalised
    asks: tuple[str, ...]
    details: tuple[str, ...]
    leads: tuple[str, ...]
    steps: tuple[str, ...]
    remarks: tuple[str, ...]


def _topic(block: str) -> _Topic:
    header, *lines = block.splitlines()
    return _Topic(float(header.split()[1]), *(tuple(line[2:] for line in lines if line[0] == mark) for mark in "?.=-!"))


*_ORDINARY, _RECALL = map(_topic, SCRIPT.split("\n# ")[1:])
_WEIGHTS = [topic.weight for topic in _ORDINARY]
_OPEN = re.compile(r"\[([^]]*)\]|{(\w+)}")


def _say(rng: Random, words: dict[str, str], pattern: str) -> str:
    """A pattern with its choices made and its slots filled; slots that ``words`` lacks are drawn and kept there."""

    def fill(found: re.Match[str]) -> str:
        choice, slot = found.groups()
        if slot and slot not in words:
            value = _say(rng, words, rng.choice(SLOTS[slot].split("|")))
            words[slot] = re.sub("#", lambda _: str(rng.randrange(10)), value)
        part = words[slot] if slot else rng.choice(choice.split("|"))
        return _say(rng, words, part) if "{" in part or "[" in part else part

    return _OPEN.sub(fill, pattern)


@cache
def _slots(pattern: str) -> frozenset[str]:
    return frozenset(re.findall(r"{(\w+)}", pattern))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _question(rng: Random, topic: _Topic, details: dict[str, str]) -> str:
    """A customer's message; ``details`` comes to hold what it names."""
    told = rng.sample(topic.details, rng.choices((0, 1, 2), (25, 50, 25))[0])
    ask = rng.choice(topic.asks)
    parts = [_say(rng, details, part) for part in ([ask, *told] if rng.random() < 0.25 else [*told, ask])]
    if rng.random() < 0.5:
        parts.insert(0, _say(rng, details, GREETING) + rng.choice(",!."))
    if rng.random() < 0.4:
        parts.append(_say(rng, details, THANKS) + rng.choice(("", ".", "!")))
    text = re.sub(r" +(?=[ ?.,!])", "", " ".join(_capital(part) for part in parts))  # what empty choices leave
    if rng.random() < TYPOS:
        at = rng.choice([pair.start() for pair in re.finditer("(?<=[a-z])[a-z]{2}", text)])
        text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text.lower() if rng.random() < LOWER_CASE else text


@dataclass(frozen=True, slots=True)
class _Style:
    """How one model under one prompt writes an answer."""

    verbs: Mapping[str, str]  # slots of the assistant's own words
    opener: str
    closing: str
    form: Callable[[Random, str, list[str], str, str], str]  # of gist, steps, remark and closing
    steps: tuple[int, ...]  # weight of none, one, two, ...


def _answer(rng: Random, topic: _Topic, style: _Style, details: Mapping[str, str]) -> str:
    """An answer that speaks only of details that the question named."""
    words = {**details, **style.verbs}
    say = partial(_say, rng, words)

    def known(patterns: Sequence[str]) -> list[str]:
        return [each for each in patterns if words.keys() >= _slots(each)]

    steps = known(topic.steps)
    number = rng.choices(range(len(style.steps)), style.steps)[0]
    chosen = [say(steps[at]) for at in sorted(rng.sample(range(len(steps)), min(number, len(steps))))]
    lead = f"{say(style.opener)} {say(rng.choice(known(topic.leads)))}".lstrip()
    remark = say(rng.choice(topic.remarks)) if number > 1 and rng.random() < REMARKS else ""
    return style.form(rng, lead, chosen, remark, say(style.closing))


def _prose(rng: Random, lead: str, steps: list[str], remark: str, closing: str) -> str:
    links = ["", *rng.choices(("", "then ", "next, ", "after that, "), (3, 1, 1, 1), k=len(steps))]
    sentences = [_capital(f"{link}{step}.") for link, step in zip(links, steps, strict=False)]
    return " ".join(part for part in (lead, *sentences, remark, closing) if part).replace("*", "")


def _markdown(rng: Random, lead: str, steps: list[str], remark: str, closing: str) -> str:
    bridge = rng.choice(("Here's what to do:", "Just follow these steps:", "Here's how it works:", "Step by step:"))
    bullets = "\n".join(f"- {_capital(step)}" for step in steps).replace("*", "**")
    note = f"**Good to know:** {remark}" if remark else ""
    return "\n\n".join(part for part in (lead, bridge, bullets, note, closing) if part)


def _either(rng: Random, lead: str, steps: list[str], remark: str, closing: str) -> str:
    return (_markdown if len(steps) > 1 and rng.random() < BULLETS else _prose)(rng, lead, steps, remark, closing)


_PLAIN = _Style(
    verbs={slot: first for slot, (first, _) in VERBS.items()},
    opener="[Thank you for your message.|Thanks for writing to us.|I am sorry for the trouble.|||]",
    closing="[Please write again if this does not help.|I hope this solves it.|We are here if you need more.|||]",
    form=_prose,
    steps=(2, 17, 26, 23, 15, 9, 5, 3),
)
_CHATTY = _Style(
    verbs={slot: second for slot, (_, second) in VERBS.items()},
    opener="[Certainly!|Great question!|Absolutely, happy to help!|Of course!|I completely understand.||]",
    closing="[Let me know if I can help with anything else!|Feel free to ask if you get stuck!|Hope that helps!|]",
    form=_either,
    steps=(0, 5, 13, 19, 21, 18, 13, 11),
)
_TERSE = replace(_PLAIN, opener="", closing="", form=_prose, steps=(2, 1))
