"""Which baselines tell what the anchors of prompt versions were."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from drift.baseline import Baseline
from drift.errors import SettingsError
from streams.shelf import ANCHOR
from streams.store import Store


def tagged_segment(name: str) -> str:
    """The segment that a name of a baseline speaks of: that of ``SEGMENT@TAG``, empty for an id or a file."""
    return "" if os.path.isfile(name) else name.rpartition("@")[0]  # noqa: PTH113  # Path raises for odd names


def find_origins(
    names: Sequence[str], known: Mapping[str, Baseline], store: Store, warn: Callable[[str], None]
) -> dict[str, Baseline]:
    """Baselines of anchors by segment: those named, or else what SEGMENT@anchor names, if it is of the same lens.

    Raises
    ------
    SettingsError
        One that was named is of a segment without a baseline, or of another lens than that.
    """
    found: dict[str, Baseline] = {}
    for name in names:
        one = store.baseline(name)
        segment = tagged_segment(name) or one.segment
        if segment not in known:
            raise SettingsError(f"--anchor {name} is of segment {segment}, of which no --baseline is given: give one")
        if one.pane.lens != known[segment].pane.lens:
            raise SettingsError(f"--anchor {name}: {_other_lens(one, known[segment])}")
        found[segment] = one
    for segment, baseline in known.items():
        if segment in found or not store.has_tag(segment, ANCHOR):
            continue
        one = store.baseline(f"{segment}@{ANCHOR}")
        if one.pane.lens == baseline.pane.lens:
            found[segment] = one
        else:
            warn(f"prompts of {segment} are compared with the baseline's own: {_other_lens(one, baseline)}")
    return found


def _other_lens(anchor: Baseline, baseline: Baseline) -> str:
    return (
        f"anchor {anchor.id} was seen through lens {anchor.pane.lens}, baseline {baseline.id} through another "
        f"({baseline.pane.lens}); build it with --lens {anchor.pane.lens}, or tag it {baseline.segment}@{ANCHOR}"
    )
