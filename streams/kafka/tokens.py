"""Tokens for OAUTHBEARER: from a file that something else renews, or from an OAuth2 server."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiokafka.abc import AbstractTokenProvider

from drift.errors import ClusterError
from streams.secret import Secret, opened
from streams.settings import Kafka

EARLY_S = 60
"""A token that ends sooner than this is not used: connecting takes its time, and clocks differ."""

PATIENCE_S = 20


class TokenError(ClusterError, ConnectionError):
    """There is no token; for clients that are running a connection that failed, to be tried again."""


class Granted(msgspec.Struct):
    """What an OAuth2 server answers."""

    access_token: str
    expires_in: float = 0.0


class FileToken(AbstractTokenProvider):  # type: ignore[misc]
    """A token in a file, read whenever a broker is connected to."""

    def __init__(self, file: str) -> None:
        self._file = file

    async def token(self) -> str:
        """The token that the file holds now."""
        try:
            token = Path(self._file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise TokenError(f"kafka.token_file {self._file} cannot be read: {reason}") from None
        if not token:
            raise TokenError(f"kafka.token_file {self._file} is empty: it must hold the token alone")
        return token


class ClientToken(AbstractTokenProvider):  # type: ignore[misc]
    """A token that an OAuth2 server gives for client credentials [1]_, kept until shortly before it ends.

    References
    ----------
    .. [1] RFC 6749, section 4.4.
    """

    def __init__(self, kafka: Kafka, now: Callable[[], float] = time.monotonic) -> None:
        self._kafka, self._now = kafka, now
        self._trusted = ssl.create_default_context()
        if kafka.ca_file:  # beside the system's: such servers are often public ones
            self._trusted.load_verify_locations(kafka.ca_file)
        self._token, self._until = Secret(), -1.0

    async def token(self) -> str:
        """The token that was given last, or a new one if that is about to end."""
        if self._now() >= self._until:
            asked_at = self._now()
            granted = await self._ask()
            self._token, self._until = Secret(granted.access_token), asked_at + granted.expires_in - EARLY_S
        return self._token.reveal()

    async def _ask(self) -> Granted:
        kafka = self._kafka
        form = {"grant_type": "client_credentials"} | ({"scope": kafka.token_scope} if kafka.token_scope else {})
        secret = opened(kafka.password, kafka.password_file, "kafka.password_file")
        header = aiohttp.encode_basic_auth(kafka.username, secret, "utf-8")
        patience = aiohttp.ClientTimeout(total=PATIENCE_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=patience, trust_env=True) as session,
                session.post(
                    kafka.token_url, data=form, headers={"Authorization": header}, ssl=self._trusted
                ) as answer,
            ):
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = str(error) or f"no answer within {PATIENCE_S} s"
            raise TokenError(f"kafka.token_url {kafka.token_url} cannot be reached: {reason}; check it") from error
        if answer.status != 200:
            raise TokenError(
                f"kafka.token_url {kafka.token_url} gave no token to client {kafka.username!r} ({answer.status}"
                f"{_said(body)}): check kafka.username, kafka.password and kafka.token_scope"
            )
        try:
            return msgspec.json.decode(body, type=Granted)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:  # what it holds may be a token
            raise TokenError(
                f"kafka.token_url {kafka.token_url} answers with what is no OAuth2 token: check it"
            ) from error


def _said(body: bytes) -> str:
    """The error code that OAuth2 servers give; the rest of what they say is not repeated."""
    try:
        code = msgspec.json.decode(body, type=dict[str, Any]).get("error", "")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return f", {code}" if isinstance(code, str) and code.replace("_", "").isalnum() else ""


def token_provider(kafka: Kafka) -> AbstractTokenProvider:
    """What gives the tokens that the settings speak of."""
    return FileToken(kafka.token_file) if kafka.token_file else ClientToken(kafka)
