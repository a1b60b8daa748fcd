"""The spellings a call record arrives in: other names for its fields, lists of messages, instants."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import xxhash

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NUMERIC = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
_TEXT_PARTS = (None, "text", "input_text", "output_text")
_SYSTEM = "gen_ai.system_instructions"


@dataclass(frozen=True, slots=True)
class Gathered:
    """One JSON object sorted into the fields of the contract and the rest.

    Attributes
    ----------
    fields
        Values by field, unchecked; lists of messages are already text.
    attributes
        Everything else, in the order of the document.
    origin
        The name or path a field was found under, where that is not its own.
    """

    fields: dict[str, object] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)


def gather(document: Mapping[str, object], names: Collection[str], field_map: Mapping[str, str]) -> Gathered:
    """Sort a JSON object into fields and attributes.

    A path of ``field_map`` comes first, then the field's own name, then an OpenTelemetry name at top level, then one
    inside ``attributes``. A null counts as absent. OpenTelemetry names that are understood do not stay in the
    attributes, nor does a top-level name that ``field_map`` renames.

    Parameters
    ----------
    document
        The decoded object.
    names
        Fields of the contract.
    field_map
        Field to dotted path, such as ``{"output": "choices.0.message.content"}``. A target that is no field becomes an
        attribute.
    """
    found = Gathered()
    document = _mapped(document, field_map, found.origin)
    inner = document.get("attributes")
    aliased: dict[str, object] = {key: inner[key] for key in inner.keys() & _ALIASES} if isinstance(inner, dict) else {}
    for name, value in document.items():
        if value is None:
            continue
        if name == "attributes" and isinstance(value, dict):
            found.attributes.update((key, kept) for key, kept in value.items() if key not in _ALIASES)
        elif name in names:
            found.fields[name] = value
        elif name in _ALIASES:
            aliased[name] = value
        else:
            found.attributes.setdefault(name, value)
    if aliased:
        _adopt(found, aliased)
    _flatten(found, aliased.get(_SYSTEM))
    return found


def has_alias(attributes: Mapping[str, object]) -> bool:
    """Whether any attribute carries an OpenTelemetry name that is a field here."""
    return not _ALIASES.keys().isdisjoint(attributes)


def spellings() -> dict[str, list[str]]:
    """OpenTelemetry names of each field, the preferred first."""
    found: dict[str, list[str]] = {}
    for alias, (name, _) in _ALIASES.items():
        found.setdefault(name or "prompt_hash", []).append(alias)
    return found


def bound_ms(text: str) -> int | None:
    """A bound of a range that a person gives: as ``epoch_ms``, a date alone being its midnight in UTC."""
    return epoch_ms(f"{text}T00:00:00Z" if len(text) == 10 and text[4:5] == "-" else text)


def epoch_ms(value: object) -> int | None:
    """Milliseconds since 1970 in UTC, or None where the value is no instant.

    Parameters
    ----------
    value
        RFC 3339 text (without an offset: UTC), or a number or its digits, read by size as seconds (below 1e11),
        milliseconds (1e14), microseconds (1e17) or nanoseconds (1e20). No instant since 1974 is ambiguous. Digits
        beyond the millisecond are dropped.
    """
    if isinstance(value, str):
        if value[4:5] == "-" and len(value) > 10:
            return _from_rfc3339(value)
        if not _NUMERIC.fullmatch(value):
            return None
        value = float(value) if "." in value else int(value)
    if type(value) not in (int, float):
        return None
    return _from_number(value)  # type: ignore[arg-type]  # narrowed by its exact type: a bool is no instant


def _from_rfc3339(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - _EPOCH) // _MILLISECOND


def _from_number(number: int | float) -> int | None:
    size = abs(number)
    if size < 1e11:
        return round(number * 1_000)
    for bound, divisor in ((1e14, 1), (1e17, 1_000), (1e20, 1_000_000)):
        if size < bound:
            return int(number // divisor)
    return None


def _mapped(
    document: Mapping[str, object], field_map: Mapping[str, str], origin: dict[str, str]
) -> Mapping[str, object]:
    """The document with every value that ``field_map`` finds under its new name."""
    if not field_map:
        return document
    values = {name: value for name, path in field_map.items() if (value := _at(document, path)) is not None}
    origin.update((name, field_map[name]) for name in values)
    renamed = set(field_map.values())
    return {name: value for name, value in document.items() if name not in renamed} | values


def _at(value: object, path: str) -> object:
    """What lies at a dotted path, None if nothing does; a key may itself hold dots, the longest match wins."""
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        if not re.fullmatch(r"-?\d{1,9}", head, re.ASCII) or not -len(value) <= int(head) < len(value):
            return None
        return _at(value[int(head)], rest) if rest else value[int(head)]
    if not isinstance(value, dict):
        return None
    end = len(path)
    while end > 0:
        if (head := path[:end]) in value:
            rest = path[end + 1 :]
            return _at(value[head], rest) if rest else value[head]
        end = path.rfind(".", 0, end)
    return None


def _adopt(found: Gathered, aliased: Mapping[str, object]) -> None:
    """Fill fields that are still empty from OpenTelemetry names, the current spelling before the previous one."""
    for alias in (alias for alias in _ALIASES if alias in aliased):
        name, convert = _ALIASES[alias]
        if name and name not in found.fields and (value := convert(aliased[alias])) is not None:
            found.fields[name] = value
            found.origin[name] = alias


def _flatten(found: Gathered, instructions: object) -> None:
    """Turn lists of messages into text; name the prompt by its system text where it carries no hash."""
    system = _texts(_unpacked(instructions)) or []
    for name in ("input", "output"):
        messages = found.fields.get(name)
        if isinstance(messages, list) and (split := _split(messages)) is not None:
            found.fields[name] = "\n\n".join(split[0])
            system += split[1]
    if system and not found.fields.get("prompt_hash"):
        found.fields["prompt_hash"] = xxhash.xxh3_64_hexdigest("\n\n".join(system).encode())


def _split(messages: list[object]) -> tuple[list[str], list[str]] | None:
    """Texts of the conversation and of the system; None where these are no messages."""
    said: list[str] = []
    system: list[str] = []
    for message in messages:
        if not isinstance(message, dict):
            return None
        texts = _texts(message.get("content", message.get("parts")))
        if texts is None:
            return None
        (system if message.get("role") in ("system", "developer") else said).extend(texts)
    return said, system


def _texts(content: object) -> list[str] | None:
    """Texts of one message's content; images and tool calls have none."""
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return None
    parts = [part for part in content if isinstance(part, dict) and part.get("type") in _TEXT_PARTS]
    texts = [part.get("text", part.get("content")) for part in parts]
    return [text for text in texts if isinstance(text, str)]


def _unpacked(value: object) -> object:
    """Messages written as a JSON string, the way spans carry them, decoded; any other value as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("["):
        return value
    try:
        messages = msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return value
    return messages if all(isinstance(message, dict) for message in messages) else value


def _same(value: object) -> object:
    return value


def _first(value: object) -> object:
    return next(iter(value), None) if isinstance(value, list) else value


def _from_seconds(value: object) -> object:
    return value * 1_000 if isinstance(value, int | float) and not isinstance(value, bool) else value


# OpenTelemetry semantic conventions: registry of GenAI attributes, its deprecated names, and the general attributes
# (service, session, user, error, cloud). The order is the order of preference.
_ALIASES: dict[str, tuple[str, Callable[[object], object]]] = {
    "gen_ai.response.id": ("call_id", _same),
    "service.name": ("app", _same),
    "service.version": ("app_version", _same),
    "gen_ai.input.messages": ("input", _unpacked),
    "gen_ai.prompt": ("input", _unpacked),
    "gen_ai.output.messages": ("output", _unpacked),
    "gen_ai.completion": ("output", _unpacked),
    _SYSTEM: ("", _same),  # no field of its own: it names the prompt
    "gen_ai.request.model": ("model", _same),
    "gen_ai.response.model": ("served_model", _same),
    "openai.response.system_fingerprint": ("fingerprint", _same),
    "gen_ai.openai.response.system_fingerprint": ("fingerprint", _same),
    "gen_ai.provider.name": ("provider", _same),
    "gen_ai.system": ("provider", _same),
    "gen_ai.prompt.name": ("prompt_name", _same),
    "gen_ai.prompt.version": ("prompt_version", _same),
    "gen_ai.conversation.id": ("session_id", _same),
    "session.id": ("session_id", _same),
    "user.id": ("user_id", _same),
    "enduser.id": ("user_id", _same),
    "cloud.region": ("region", _same),
    "gen_ai.response.time_to_first_chunk": ("ttft_ms", _from_seconds),
    "gen_ai.usage.input_tokens": ("input_tokens", _same),
    "gen_ai.usage.prompt_tokens": ("input_tokens", _same),
    "gen_ai.usage.output_tokens": ("output_tokens", _same),
    "gen_ai.usage.completion_tokens": ("output_tokens", _same),
    "gen_ai.usage.cache_read.input_tokens": ("cached_input_tokens", _same),
    "gen_ai.response.finish_reasons": ("finish_reason", _first),
    "error.type": ("error_type", _same),
}
