"""Requested models whose name says no version: the provider may change what answers, and no field may show it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

MODELS = 32
"""Names that are counted apart in a segment, as they come; the calls of others are counted together, nameless."""

_YEAR, _MONTH, _DAY = r"20[1-4]\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_VERSION = re.compile(
    rf"""
    @?sha256:[0-9a-f]{{6,}}                                  # a digest: Ollama, container images
    | @[0-9a-f]{{7,40}}\b                                    # a revision: Hugging Face
    | (?<!\d){_YEAR}-{_MONTH}-{_DAY}(?!\d)                   # OpenAI, Azure: gpt-4o-2024-05-13
    | (?<!\d){_YEAR}{_MONTH}{_DAY}(?!\d)                     # Anthropic, Vertex, Bedrock: claude-3-haiku-20240307
    | (?<![\da-z]){_MONTH}-(?:{_DAY}|{_YEAR})(?![\da-z])     # Google previews -05-06, Cohere -08-2024
    | [-_@:(](?:{_MONTH}{_DAY}|2\d{_MONTH})(?![\da-z])       # OpenAI, xAI -0613; Mistral -2407
    | [-@]0\d\d(?![\da-z])                                   # Google -002, @001; OpenAI text-embedding-ada-002
    | [-.]v\d+(?:\.\d+|:\d+)+(?![\da-z])                     # Bedrock -v1:0; open weights -v0.3
    | ^[a-z]+\..+[-.]v\d+\Z                                  # Bedrock: amazon.titan-embed-text-v1
    """,
    re.X,
)


def is_pinned(model: str) -> bool:
    """Whether a name of a model says which version answers.

    By the conventions of providers, as of 2025: a date (``-2024-05-13``, ``-20241022``, ``-0613``, ``-2407``,
    ``-05-06``), a numbered version (``-002``, ``@001``, ``-v1:0``, ``-v0.3``), a digest or revision (``@sha256:…``), a
    fine-tune of one's own (``ft:``). A generation is none: what answers to ``gpt-4.1`` or ``llama3.1:8b`` can be
    replaced. Names that one gives oneself, such as Azure's deployments, are pinned if they say so.
    """
    name = model.strip().lower()
    if name.startswith("ft:"):
        return True
    name = name.rpartition("/")[2]  # behind a gateway's or a resource's path
    digest = "sha256:" in name
    return bool(_VERSION.search(name)) and (digest or "latest" not in name)


@dataclass(slots=True)
class Requested:
    """How often each model was asked for by name, in each segment.

    Parameters
    ----------
    most
        Segments that are counted apart; the calls of others are counted together, under an empty name.
    """

    most: int
    by_segment: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, models: Iterable[tuple[str, str]]) -> None:
        """Count calls, given as segment and model; those that name no model are left out."""
        for segment, model in models:
            if not model:
                continue
            counts = self._of(segment)
            counts[model if model in counts or len(counts) < MODELS else ""] += 1

    def _of(self, segment: str) -> Counter[str]:
        known = segment in self.by_segment or len(self.by_segment) < self.most
        return self.by_segment.setdefault(segment if known else "", Counter())

    @property
    def models(self) -> Mapping[str, int]:
        """Calls of each model over all segments."""
        return sum(self.by_segment.values(), Counter[str]())

    @property
    def unpinned(self) -> Mapping[str, Mapping[str, int]]:
        """Calls of each model whose name says no version, by segment: what a metric shows."""
        found = {
            segment: {model: n for model, n in counts.items() if model and not is_pinned(model)}
            for segment, counts in self.by_segment.items()
        }
        return {segment: counts for segment, counts in found.items() if counts}

    def sentences(self) -> Iterator[str]:
        """What a person should know: one sentence, or none."""
        models = self.models
        loose = Counter({model: n for model, n in models.items() if model and not is_pinned(model)})
        if not loose:
            return
        (first, calls), *others = loose.most_common()
        more = f" (and {sum(n for _, n in others):,} for {len(others):,} more like it)" if others else ""
        yield (
            f"{calls:,} of {sum(models.values()):,} calls ask for “{first}”{more}, a name without a version: "
            "the provider may change what answers behind it"
        )
