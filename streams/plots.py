"""Pictures for people, as PNG, SVG or PDF, drawn by Matplotlib where it is installed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drift.errors import SettingsError
from drift.false_alarms import RunLengths, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")

_BLUE, _RED, _GREY = "#1f5fa8", "#c0392b", "#8a8a8a"
_SMALL: dict[str, Any] = {"color": _GREY, "fontsize": 7}
_STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "font.size": 9,
    "svg.hashsalt": "driftline",
}


def require(path: str | None) -> None:
    """Refuse a picture that could not be written once the work is done.

    Raises
    ------
    SettingsError
        Its name does not end like a picture's, or Matplotlib is not there.
    """
    if path is None:
        return
    if Path(path).suffix.lower() not in FORMATS:
        raise SettingsError(f"--plot {path}: its name must end in {', '.join(FORMATS)}")
    if find_spec("matplotlib") is None:
        raise SettingsError("--plot needs Matplotlib: pip install 'driftline[plot]'")


@contextmanager
def _page(columns: int, height: float) -> Iterator[tuple[Figure, Any]]:
    import matplotlib as mpl
    from matplotlib.figure import Figure  # not pyplot, which would look for a screen

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4 * columns, height), layout="constrained")
        yield figure, figure.subplots(1, columns)


def _bytes(figure: Figure, path: str) -> bytes:
    made = io.BytesIO()
    kind = Path(path).suffix.lower().removeprefix(".")
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
    figure.savefig(made, format=kind, dpi=150, metadata=undated)
    return made.getvalue()


def false_alarms(path: str, title: str, runs: RunLengths, together: Tally, alone: Mapping[str, Tally]) -> bytes:
    """How long runs lasted without an alarm beside what is promised, and how often each detector alarmed alone."""
    with _page(2, 4.2) as (figure, (left, right)):
        figure.suptitle(title)
        _survival(left, runs, together.promise)
        _whiskers(right, {"all together": together, **alone})
        return _bytes(figure, path)


def _survival(axes: Axes, runs: RunLengths, promise: float) -> None:
    end = float(runs.length.max())
    calls, share, low, high = runs.survival()
    calls, share = np.concatenate([[0.0], calls, [end]]), np.concatenate([[1.0], share, share[-1:]])
    low, high = (np.concatenate([[1.0], np.nan_to_num(np.append(edge, edge[-1]), nan=1.0)]) for edge in (low, high))
    axes.fill_between(calls, low, high, step="post", color=_BLUE, alpha=0.15, lw=0, label="95 % band")
    axes.step(calls, share, where="post", color=_BLUE, label=f"{len(runs.length)} runs without drift")
    at = np.linspace(0, end, 200)
    axes.plot(at, np.exp(-at / promise), "--", color=_RED, label=f"promised: one alarm every {promise:,.0f} calls")
    axes.set(xlabel="calls", ylabel="share of runs without an alarm so far", xlim=(0, end), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=5)
    axes.legend(loc="lower left", frameon=False)


def _whiskers(axes: Axes, tallies: Mapping[str, Tally]) -> None:
    """Calls between alarms of each detector, and its share of the budget; an arrow where there was no alarm."""
    from matplotlib.ticker import EngFormatter, LogLocator

    far = max(2 * max(max(one.exposure, one.promise) for one in tallies.values()), 1.0)
    for place, one in enumerate(tallies.values()):
        low, high = one.interval
        colour = _RED if one.answer == "broken" else _BLUE
        axes.plot([low, min(high, far)], [place, place], color=colour, lw=2, solid_capstyle="butt")
        if one.alarms:
            axes.plot(one.calls_per_alarm, place, "o", color=colour)
        else:
            axes.annotate("no alarm", (far, place), xytext=(-2, 3), textcoords="offset points", ha="right", **_SMALL)
        axes.plot(one.promise, place, "|", color=_RED, ms=14, mew=2, label="may alarm so often" if place == 0 else None)
    axes.set_yticks(range(len(tallies)), [name.replace("_", " ") for name in tallies])
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="calls between false alarms, 95 % interval")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.minorticks_off()
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False)


@dataclass(frozen=True, slots=True)
class Course:
    """What was noticed at each size: share of streams with its interval, and calls until then; infinite is never."""

    name: str
    size: Sequence[float]
    share: Sequence[float]
    interval: Sequence[tuple[float, float]]
    median: Sequence[float]
    early: Sequence[float]
    late: Sequence[float]


def delays(path: str, title: str, unit: str, horizon: int, family: Course, detectors: Sequence[Course]) -> bytes:
    """Share of streams in which a drift was noticed, and after how many calls, over its size."""
    from matplotlib.ticker import LogLocator

    with _page(2, 4.2) as (figure, (left, right)):
        figure.suptitle(title)
        for one in detectors:
            left.plot(one.size, one.share, "--", lw=1, marker=".", label=one.name)
            right.plot(one.size, _finite(one.median), "--", lw=1, marker=".", label=one.name)
        _whisker(left, family.size, family.share, *zip(*family.interval, strict=True), label=f"{family.name}, 95 %")
        left.set(xlabel=unit, ylabel=f"share of streams that noticed within {horizon:,} calls", ylim=(-0.02, 1.02))
        late = np.minimum(family.late, horizon)
        _whisker(
            right, family.size, _finite(family.median), family.early, late, label=f"{family.name}, 8 of 10 streams"
        )
        never = [size for size, median in zip(family.size, family.median, strict=True) if not np.isfinite(median)]
        if never:
            right.plot(never, [horizon] * len(never), "^", mfc="white", color=_BLUE, label="most streams do not notice")
        right.axhline(horizon, color=_RED, ls=":", lw=1)
        right.set(xlabel=unit, ylabel="calls until it was noticed", yscale="log")
        right.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        right.yaxis.set_major_formatter("{x:,.0f}")
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_xticks(family.size, [f"{size:.3g}" for size in family.size])
            axes.minorticks_off()
            axes.legend(frameon=False, fontsize=8)
        return _bytes(figure, path)


def _whisker(axes: Axes, at: Any, value: Any, low: Any, high: Any, *, label: str) -> None:
    value, low, high = (np.asarray(one, np.float64) for one in (value, low, high))
    with np.errstate(invalid="ignore"):
        away = np.nan_to_num(np.stack([value - low, high - value]), nan=0.0, posinf=0.0, neginf=0.0)
    axes.errorbar(at, value, np.maximum(away, 0.0), fmt="-o", color=_BLUE, capsize=3, label=label)


def _finite(values: Sequence[float]) -> list[float]:
    return [value if np.isfinite(value) else np.nan for value in values]
