"""Where settings come from: a YAML file, environment variables over it, flags over both, and who said what."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from drift.errors import SettingsError

PREFIX = "DRIFTLINE_"

TABLES = {
    "tolerances": "{topics: 0.05}",
    "importance": "{model: 5, operational: 1}",
    "prompts": "{allowed: {answer: [v1, v2]}}",
    "fleet": "{one_false_alarm_every: 7d, segments: 1000, weights: {batch: 0.2}}",
    "kafka": "{brokers: 'kafka-1:9092,kafka-2:9092'}",
    "kafka.topics": "{calls: {partitions: 12, retention: 14d}}",
    "live": "{tag: prod, idle_s: 30}",
    "alerting": "{url: 'https://driftline.example.com', baseline_days: 60}",
    "alerting.severities": "{model: page, DriftlineDown: page}",
}
"""Settings that are tables, with an example each."""


@dataclass(slots=True)
class Layers:
    """Values as they were given, the last layer on top, and the origin of each by its whole name, ``kafka.brokers``."""

    fields: Mapping[str, Collection[str]]
    """Names of all settings; of those that are tables of settings, with the names in them."""
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, value: Any, origin: str) -> None:
        """Lay a value over what is there; of a table of settings only what it names."""
        if self.fields.get(name) and isinstance(value, dict | None):
            for inner, one in (value or {}).items():
                self.put(f"{name}.{inner}", one, origin)
            return
        self.origins[name] = origin
        table, dot, inner = name.partition(".")
        if not dot:
            self.values[name] = value
        elif isinstance(kept := self.values.setdefault(table, {}), dict):  # anything else is refused as it came
            kept[inner] = value


def gather(
    fields: Mapping[str, Collection[str]],
    file: str | None,
    flags: Mapping[str, Any] | None,
    environment: Mapping[str, str],
) -> Layers:
    """Everything that was given, not yet checked.

    Variables are named by their setting, ``DRIFTLINE_FIRST``, those of a table by both, ``DRIFTLINE_KAFKA_BROKERS``;
    flags likewise, in small letters. A flag that is None was not given.

    Raises
    ------
    SettingsError
        The file cannot be read, or it or a variable is not YAML.
    """
    layers = Layers(fields)
    if file := file or environment.get(f"{PREFIX}CONFIG"):
        for name, value in _read(file).items():
            layers.put(str(name), value, f"file {file}")
    flags = dict(flags or {})
    names = [*fields, *(f"{table}.{inner}" for table, under in fields.items() for inner in under)]
    for name in names:
        variable = PREFIX + name.upper().replace(".", "_")
        if (text := environment.get(variable)) is not None:
            layers.put(name, _from_environment(name, variable, text), f"environment {variable}")
    for name in names:
        if (value := flags.pop(name.replace(".", "_"), None)) is not None:
            layers.put(name, value, "command line")
    assert not any(value is not None for value in flags.values()), f"flags that are no settings: {flags}"
    return layers


def _read(file: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(Path(file).read_bytes())
    except OSError as error:
        raise SettingsError(f"settings file {file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"settings file {file} is not YAML{_where(error)}"
        ) from None  # it quotes what may be secret
    if not isinstance(values or {}, dict):
        raise SettingsError(f"settings file {file} must hold names and values, got a {type(values).__name__}")
    return values or {}


def _from_environment(name: str, variable: str, text: str) -> Any:
    """Text as it is, except where more is wanted: a table is YAML such as ``{topics: 0.05}``, a list has commas."""
    if name in ("slices", "scores"):
        return [part.strip() for part in text.strip("[] ").split(",") if part.strip()]
    if name not in TABLES:
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{variable} is not YAML such as '{TABLES[name]}'{_where(error)}") from None


def _where(error: Exception) -> str:
    """Where YAML ends to be any; what stands there is not quoted, for it may be secret."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return ": it must be UTF-8 text without control characters"
    place = f"line {mark.line + 1}, column {mark.column + 1}"
    return f" at {place}: look for a bracket or quote left open, and quote text that begins with a special character"
