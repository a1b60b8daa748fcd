"""Text that is used but never shown."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from drift.errors import SettingsError

HIDDEN = "***"


class Secret:
    """A password or the like: neither printed, nor logged, nor encoded by accident; empty is none."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that uses it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return HIDDEN if self._text else "''"


def decoded(wanted: type, value: Any) -> Any:
    """What msgspec asks where it does not know a type: text becomes a secret.

    Raises
    ------
    SettingsError
        The value is not text; it is not quoted, for it may be secret all the same.
    """
    if wanted is not Secret:
        raise NotImplementedError(f"nothing is known of {wanted}")
    if not isinstance(value, str):
        raise SettingsError(f"it must be text, got a {type(value).__name__}: write it in quotes")
    return Secret(value)


def opened(secret: Secret, file: str, name: str) -> str:
    """A secret as it was given, or read now from the file that the setting ``name`` names.

    Raises
    ------
    SettingsError
        The file cannot be read, or is empty.
    """
    if not file:
        return secret.reveal()
    try:
        text = Path(file).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name} {file} cannot be read: {reason(error)}") from None
    if not text:
        raise SettingsError(f"{name} {file} is empty: it must hold the secret alone")
    return text


def reason(error: Exception) -> str:
    """What is wrong with a file, without what it holds."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, ssl.SSLError):
        return error.reason or "it is not what TLS wants"
    return getattr(error, "strerror", None) or str(error)
