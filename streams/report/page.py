"""One HTML file that needs nothing else: no network, no script to be read, light and dark, on paper too."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from drift.false_alarms import Tally
from streams.http import figures as words
from streams.http.texts import shown
from streams.report import figures
from streams.report.alarms import Alarm
from streams.report.beside import Beside
from streams.report.checked import Counted
from streams.report.differences import pairs
from streams.report.picture import Picture
from streams.report.read import Account
from streams.report.story import Story
from streams.report.topic_map import topic_map
from streams.verdicts import CALM
from streams.wording import between, change, figure, moment, percent, roughly

ROOM = 2_700_000
"""Bytes of a page at most; what does not fit is told in a sentence."""

BESIDE = 20
"""Segments that are told side by side."""

ALARM_ROOM = 250_000
"""Bytes of the alarms of a segment that are told with all their evidence."""

LONG = 80
"""Characters of a segment's name beyond which sentences tell its beginning only."""

MARKS = 40
"""Markers that are told beside a timeline."""

TESTED = {
    "topics": "the share of each topic of the baseline",
    "inputs": "where questions lie, by their embeddings",
    "input_length": "the length of inputs, typical and spread",
    "off_topic": "the share of questions far from every topic of the baseline",
    "answers": "answers given their questions, by meaning, format and length, prompt version held fixed",
    "answers_overall": "answers whatever the question, where most questions are unlike the baseline's",
    "output_length": "the length of answers, typical and spread",
    "latency": "the time until answers are complete",
    "ttft": "the time until answers begin",
    "cost": "what calls cost",
    "error": "the share of calls that fail",
    "truncated": "the share of answers that are cut off",
    "empty_output": "the share of answers that are empty",
    "prompt_chain": "each prompt version's answers against the anchor's, at like questions",
    "thumbs_down": "the share of rated answers that are rated down",
}
"""What each detector looks at; scores say it by their names."""

_FOLDER = Path(__file__).parent / "templates"
_STYLE, _SCRIPT = ((_FOLDER / name).read_text() for name in ("style.css", "script.js"))


def _heading(markup: Markup, level: int) -> Markup:
    """Markup with its headings at another level: texts in it are escaped, so that none can look like one."""
    return Markup(str(markup).replace("<h2>", f"<h{level}>").replace("</h2>", f"</h{level}>"))


def _brief(sentence: str, name: str) -> str:
    """A sentence that does not tell a very long name again and again: its heading does."""
    return sentence.replace(name, figures.short(name, 60)) if len(name) > LONG else sentence


_pages = jinja2.Environment(
    loader=jinja2.ChoiceLoader(
        [jinja2.FileSystemLoader(_FOLDER), jinja2.FileSystemLoader(_FOLDER.parents[1] / "http" / "templates")]
    ),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters |= {
    "shown": shown,
    "when": words.when,
    "long": words.long,
    "percent": percent,
    "figure": figure,
    "level": words.level,
    "change": change,
    "between": between,
    "heading": _heading,
    "brief": _brief,
    "said_of": figures.said_of,
    "roughly": roughly,
}
_pages.globals |= {"about": CALM, "tested": TESTED, "anchor": figures.anchor}


def page(account: Account, told: Sequence[Story], beside: Sequence[Beside] = ()) -> str:
    """The whole page.

    Parameters
    ----------
    beside
        Segments of two files, to be told side by side.
    """
    left = max(len(beside) - BESIDE, 0)
    section = _pages.get_template("beside.html").render(beside=beside[:BESIDE], left=left)
    room, parts, verdicts, full = ROOM - len(section.encode()), [], [], False
    for story in told:
        verdict, part = _pages.get_template("verdict.html").render(story=story), ""
        if not full:
            part = _segment(story)
            full = len((verdict + part).encode()) > room
        if full:  # nor is a later one drawn: none looks chosen
            part = _pages.get_template("brief.html").render(story=story)
        if (size := len((verdict + part).encode())) > room:
            break
        room -= size
        parts.append(Markup(part))
        verdicts.append(Markup(verdict))
    return _pages.get_template("report.html").render(
        account=account,
        stories=told[: len(parts)],
        segments=parts,
        verdicts=verdicts,
        left=len(told) - len(parts),
        kinds=list(dict.fromkeys(kind for story in told for kind in story.kinds)),
        style=Markup(_STYLE),
        script=Markup(_SCRIPT),
        policy=policy(),
        beside=Markup(section),
    )


def alone(picture: Picture) -> str:
    """A picture alone, as a page."""
    return _pages.get_template("figure.html").render(
        picture=picture, style=Markup(_STYLE), script=Markup(_SCRIPT), policy=policy()
    )


def pictures(story: Story) -> dict[str, Picture]:
    """Pictures of a segment by name: ``timeline_KIND``, ``topics``, ``topic_map``, ``output_length``, ``latency``."""
    name, made = story.name, dict[str, Picture]()
    marks = [
        f"{number}: {one.field.replace('_', ' ')} {one.before or 'none'} → {one.after or 'none'}, {moment(one.at)}"
        for number, one in enumerate(story.told.marks[:MARKS], 1)
    ]
    for kind in story.drawn:
        drawn = figures.timeline(story, kind)
        title = f"{name}, {kind.replace('_', ' ')}: statistics by their thresholds"
        legend = [(f"line l{n}", said) for n, said in enumerate(drawn.names)]
        made[f"timeline_{kind}"] = Picture(title, drawn, "course", legend, marks)
    if (told := _topics(story)) is not None:
        title, rest = f"{name}: topic shares over time; at the left those of the baseline", told["shares"].named
        legend = [("band rest" if n == rest else f"band c{n}", said) for n, said in enumerate(told["stack"].names)]
        made["topics"] = Picture(title, told["stack"], "stack", legend)
        title = f"{name}: topics on a map; rings by their share of the baseline, discs by their share now"
        legend = [("disc grew", "grew"), ("disc shrank", "shrank"), ("disc stayed", "within half a point")]
        made["topic_map"] = Picture(title, told["map"], "points", legend)
    for one in _distributions(story):
        title = f"{one['title']} of {name}, {one['told'].unit}: shaded the baseline, line now"
        made[one["name"]] = Picture(title, one["plot"], "points")
    return made


def policy() -> str:
    """What the page may do: show its own style, run its own script, and nothing else."""
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (_STYLE, _SCRIPT))
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _segment(story: Story) -> str:
    return _pages.get_template("segment.html").render(
        story=story,
        drawn=story.drawn,
        timelines=[(kind, figures.timeline(story, kind)) for kind in story.drawn],
        alarms=_alarms(story),
        topics=_topics(story),
        distributions=_distributions(story),
        explained=_explained(story),
        chain=_chain(story),
        promise=_promise(story),
    )


def _alarms(story: Story) -> list[tuple[Alarm, Markup]]:
    """Alarms with their evidence, the standing and newest first, as far as there is room."""
    room, made = ALARM_ROOM, []
    for one in sorted([*story.alarms, *story.early], key=lambda one: (not one.standing, -one.number)):
        if not room:
            made.append((one, Markup("")))
            continue
        found = one.raised.examples
        beside = pairs(found.before, found.now) if found else []
        text = _pages.get_template("alarm.html").render(one=one, alarm=one.raised, pairs=beside)
        text = text if len(text.encode()) <= room else ""
        room -= len(text.encode()) or room  # once one does not fit, no later one is told: none looks chosen
        made.append((one, Markup(text)))
    return made


def _topics(story: Story) -> dict[str, Any] | None:
    shares, now, known = story.shares, story.topics_now, story.told.baseline
    if shares is None or now is None or known is None:
        return None
    return {
        "shares": shares,
        "stack": figures.topics(shares, f"topic shares of {story.name} over time"),
        "map": topic_map(known.topics, now.tolist(), f"topics of {story.name} on a map"),
        "since": story.now_since("data"),
    }


def _distributions(story: Story) -> list[dict[str, Any]]:
    made = []
    for name, kind, title in (
        ("output_length", "output_length", "Length of answers"),
        ("latency", "operational", "Latency"),
    ):
        if (found := story.histogram(name, kind)) is not None:
            label = f"{title} of {story.name}, before and now"
            plot = figures.distribution(found, label)
            made.append({"name": name, "kind": kind, "title": title, "told": found, "plot": plot})
    return made


def _explained(story: Story) -> list[dict[str, Any]]:
    made = []
    for name, parts, unit, alarm in story.explained:
        widest = max(abs(value) for value in (parts.mix_low, parts.mix_high, parts.low, parts.high, 1e-9))
        mix = figures.bar(parts.mix, parts.mix_low, parts.mix_high, widest, "mix")
        rest = figures.bar(parts.conditional, parts.low, parts.high, widest, "conditional")
        made.append({"name": name, "parts": parts, "unit": unit, "alarm": alarm, "mix": mix, "rest": rest})
    return made


def _chain(story: Story) -> dict[str, Any] | None:
    links = story.chain
    if not links:
        return None
    tolerance = next((one.tolerance for one in story.detectors if one.name == "prompt_chain"), None) or 0.25
    widest = max([one.from_anchor.high for one in links if one.from_anchor] + [2 * tolerance])
    anchor = story.told.summary.anchor if story.told.summary else ""
    rows = [(one, figures.whisker(one, widest, tolerance)) for one in links]
    return {"anchor": anchor, "rows": rows, "tolerance": tolerance}


def _promise(story: Story) -> dict[str, Any] | None:
    """False alarms promised, those of streams without drift where they are known, and the alarms that were raised."""
    known = story.told.baseline
    if known is None or not story.told.calls:
        return None
    raised = len(story.alarms)
    tally = Tally(raised, float(story.told.calls), known.every_calls)
    by = {
        card.name: sum(one.raised.detector in (card.name, card.title) for one in story.alarms)
        for card in known.detectors
    }
    tried = known.calibrating
    still = Tally(tried.alarms, tried.calls, known.every_calls) if tried else None
    return {
        "every": known.every_calls,
        "raised": raised,
        "tally": tally,
        "by": by,
        "tried": tried,
        "still": still,
        "first": "first" in known.card.get("facts", {}),
        "alone": _alone(story),
    }


def _alone(story: Story) -> dict[str, Counted]:
    """False alarms of each detector as they were counted by resampling."""
    counted = story.check.alone if story.check else {}
    names = {one.name: (one.name, one.title) for one in story.detectors}
    found = {name: next((counted[one] for one in known if one in counted), None) for name, known in names.items()}
    return {name: one for name, one in found.items() if one is not None}
