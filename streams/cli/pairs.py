"""What a person sees of shadow pairs: phrases that came and went, and the pairs that lie farthest apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drift.call import DIMENSIONS, FLAGS, GRID, LENGTH_GRID
from drift.compare import Difference
from drift.frame import log_lengths
from drift.pairs import Pairs, compare_pairs, farthest
from drift.phrases import Phrase, phrases
from streams.cli.common import bar, plain
from streams.measure import Measured, Meter
from streams.pairs import Joined
from streams.records import Record
from streams.wording import percent

VIEWS = ((0, DIMENSIONS), (DIMENSIONS, 2 * DIMENSIONS), (2 * DIMENSIONS, 2 * DIMENSIONS + 2))
"""Coordinates of an answer's meaning, its format, and its log length and the square of it."""

READ = 2000
"""Pairs in which phrases are counted, about: more take longer than all the rest."""

SHOWN = 160
"""Characters of each text of a pair that is shown."""


@dataclass(frozen=True, slots=True)
class Example:
    """A pair whose answers lie far apart; texts are empty where none are kept."""

    pair_id: str
    call_ids: tuple[str, str]
    input: str
    live: str
    shadow: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Aspects of a segment's pairs, and what shows them."""

    found: tuple[Difference, ...]
    phrases: tuple[Phrase, ...]
    farthest: tuple[Example, ...]


def compared(out: Console, meter: Meter, name: str, joined: Joined, permutations: int) -> Compared:
    """Compare the two sides of a segment's pairs."""
    both = [*joined.live, *joined.shadow]
    with bar(out, len(both), f"{name}: ") as step:
        lens = meter.fit_lens(both, progress=lambda done: step("embedding", done))
        live, shadow = (meter.measure(lens, side) for side in (joined.live, joined.shadow))
    pairs = pairs_of(live, shadow, joined)
    with out.status(Text(plain(f"{name}: comparing its pairs"))):
        found = compare_pairs(pairs, permutations=permutations)
    every = max(1, len(joined) // READ)
    before, now = ([text for _, text in side.texts[::every] if text] for side in (live, shadow))
    examples = [_example(joined, live, shadow, i) for i in farthest(pairs)]
    return Compared(found, phrases(before, now), tuple(examples))


def pairs_of(live: Measured, shadow: Measured, joined: Joined) -> Pairs:
    """Pairs of calls measured through one lens."""
    sides = [side.rows for side in (live, shadow)]
    answers = np.stack(
        [
            np.concatenate(
                [
                    rows["features"][:, 1] / GRID,
                    rows["features"][:, 2] / GRID,
                    log_lengths(rows) / (LENGTH_GRID, LENGTH_GRID**2),
                ],
                axis=1,
            )
            for rows in sides
        ],
        axis=1,
    )
    answered = np.stack([rows["answered"] == 1 for rows in sides], axis=1)
    flags = {name: np.stack([rows["flags"][:, i] == 1 for rows in sides], axis=1) for i, name in enumerate(FLAGS)}
    columns = [[_scalars(record) for record in side] for side in (joined.live, joined.shadow)]
    values = np.array(columns, dtype=np.float64).transpose(2, 1, 0)
    scalars = dict(zip(_SCALARS, values, strict=True))
    for name in ("output_chars", "output_tokens"):
        scalars[name] = np.where(answered, scalars[name], np.nan)
    known = {name: series for name, series in scalars.items() if not np.isnan(series).all()}
    return Pairs(answers, VIEWS, answered[:, 0] & answered[:, 1], known, flags)


_SCALARS = ("output_chars", "input_tokens", "output_tokens", "latency_ms", "ttft_ms", "cost_musd")


def _scalars(record: Record) -> tuple[float | None, ...]:
    cost = None if record.cost_usd is None else record.cost_usd * 1e6
    numbers = (record.input_tokens, record.output_tokens, record.latency_ms, record.ttft_ms)
    return (len(record.output), *numbers, cost)


def _example(joined: Joined, live: Measured, shadow: Measured, i: int) -> Example:
    texts = (*live.texts[i], shadow.texts[i][1]) if live.texts else ("", "", "")
    one, other = joined.live[i], joined.shadow[i]
    return Example(one.pair_id, (one.call_id, other.call_id), *texts)


def told(moved: Sequence[Phrase], sides: tuple[str, str]) -> list[str]:
    """A sentence for each phrase that came or went."""
    said = []
    for one in moved:
        verb = "answers begin with" if one.opening else "answers hold"
        text = one.text.replace("\n", "⏎").strip() or "⏎"
        said.append(f"{verb} “{text}”: {sides[0]} {percent(one.before)}, {sides[1]} {percent(one.now)}")
    return said


def side_by_side(examples: Sequence[Example], sides: tuple[str, str]) -> Table:
    """The examples, a row each."""
    table = Table(title="pairs farthest apart", title_justify="left", title_style="dim", header_style="dim")
    for column in ("pair", "input", *sides):
        table.add_column(Text(plain(column)), overflow="fold", ratio=1 if column == "pair" else 3)
    for one in examples:
        table.add_row(*(Text(_shown(text)) for text in (one.pair_id, one.input, one.live, one.shadow)))
    return table


def _shown(text: str) -> str:
    one_line = " ".join(plain(text).split())
    return one_line if len(one_line) <= SHOWN else one_line[: SHOWN - 1] + "…"


def summary(compared: Compared, joined: Joined) -> dict[str, Any]:
    """What a segment's pairs are, for programs."""
    return {
        "pairs": len(joined),
        "left_out": {
            "without_partner": joined.alone,
            "without_pair_id": joined.nameless,
            "pair_id_twice": joined.twice,
            "inputs_differ": joined.other_input,
            "seen_before": joined.known_before,
        },
        "phrases": compared.phrases,
        "farthest": compared.farthest,
    }
