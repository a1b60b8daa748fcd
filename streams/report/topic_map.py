"""All topics of a baseline on a plane, before and now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from streams.report.drawing import tag
from streams.report.figures import Drawn, short, tips
from streams.verdict_columns import TopicCard
from streams.wording import percent as share


def topic_map(cards: Sequence[TopicCard], now: Sequence[float], label: str) -> Drawn:
    """Topics on a plane: rings by their share of the baseline, discs by their share now."""
    size, room, largest = 420.0, 42.0, 26.0
    xs, ys = [one.x for one in cards], [one.y for one in cards]
    wide = max(max(xs) - min(xs), max(ys) - min(ys), 1e-9)
    middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    most = max(*(one.share for one in cards), *now, 1e-9)

    def radius(part: float) -> float:
        return max(largest * float(np.sqrt(part / most)), 1.0)

    points, made, names, taken = [], [], [], list[tuple[float, float, float]]()
    order = sorted(range(len(cards)), key=lambda k: -max(cards[k].share, now[k]))
    for k in order:
        one = cards[k]
        x = size / 2 + (one.x - middle[0]) / wide * (size - 2 * room)
        y = size / 2 - (one.y - middle[1]) / wide * (size - 2 * room)
        change = now[k] - one.share
        kind = "grew" if change > 0.005 else "shrank" if change < -0.005 else "stayed"
        made += [
            tag("circle", cx=x, cy=y, r=radius(now[k]), class_=f"disc {kind}"),
            tag("circle", cx=x, cy=y, r=radius(one.share), class_="ring"),
        ]
        said = f"{short(one.label or f'topic {k + 1}', 80)}: {share(one.share)} before, {share(now[k])} now"
        points.append({"x": round(x / size * 100, 2), "y": round(y, 1), "said": said})
    telling = sorted(order, key=lambda k: -abs(now[k] - cards[k].share) - 0.2 * max(cards[k].share, now[k]))
    for k in telling[:14]:
        place = points[order.index(k)]
        words = short(", ".join(cards[k].label.split(", ")[:2]) or f"topic {k + 1}", 22)
        x, y, half = float(str(place["x"])) / 100 * size, float(str(place["y"])), 3.6 * len(words)
        y += max(radius(now[k]), radius(cards[k].share)) + 11
        x = min(max(x, half + 2), size - half - 2)
        if y > size - 4 or any(abs(x - a) < half + b and abs(y - c) < 15 for a, b, c in taken):
            continue
        taken.append((x, half, y))
        names.append(tag("text", escape(words), x=x, y=y, text_anchor="middle", class_="label small"))
    cursor = tag("circle", cx=-50, cy=-50, r=8, class_="cursor ring")
    svg = tag(
        "svg",
        Markup("").join([*made, *names, cursor]),
        class_="plot square",
        viewBox=f"0 0 {size:g} {size:g}",
        role="group",
        tabindex="0",
        aria_label=short(label, 200),
    )
    return Drawn(svg, tips({"points": points, "high": size}))
