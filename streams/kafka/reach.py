"""What is wrong where a cluster cannot be reached, in one sentence with what to do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import errors
from aiokafka.conn import create_conn
from aiokafka.protocol.metadata import MetadataRequest

from drift.errors import ClusterError, DriftError
from streams.kafka.client import connection
from streams.settings import Kafka

PATIENCE_MS = 10_000
_CLOSING_S = 0.2
"""Connections that were refused close in their own time; nobody can wait for them."""

DENIED = (
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
)


@asynccontextmanager
async def reaching(kafka: Kafka) -> AsyncIterator[None]:
    """Turn what clients raise inside into one error that says what is wrong, and what to do.

    Raises
    ------
    ClusterError
        The cluster cannot be reached, or refuses what is asked.
    """
    try:
        yield
    except DriftError:
        raise
    except (errors.KafkaConnectionError, errors.NodeNotReadyError) as error:  # clients keep the reason to themselves
        why = await _why(kafka)
        await asyncio.sleep(_CLOSING_S)
        raise ClusterError(why or _sentence(kafka, kafka.brokers, error)) from error
    except (errors.KafkaError, OSError, TimeoutError) as error:
        raise ClusterError(_sentence(kafka, kafka.brokers, error)) from error


async def _why(kafka: Kafka) -> str:
    """What each broker answers when it is tried by itself; nothing if one of them serves."""
    said = []
    arguments = {name: value for name, value in connection(kafka, "check").items() if name != "bootstrap_servers"}
    for host, port in kafka.addresses():
        try:
            await _try(host, port, arguments)
        except (errors.KafkaError, OSError, TimeoutError) as error:
            said.append(_sentence(kafka, f"{host}:{port}", error))
        else:
            return ""
    return "; ".join(said)


async def _try(host: str, port: int, arguments: dict[str, Any]) -> None:
    one = await create_conn(host, port, request_timeout_ms=PATIENCE_MS, **arguments)
    try:
        await one.send(MetadataRequest([]))
    finally:
        one.close()


def _sentence(kafka: Kafka, where: str, error: BaseException) -> str:
    """One error in words; no class of these carries a password."""
    match error:
        case DriftError():
            return f"{where}: {error}"
        case errors.SaslAuthenticationFailed() | errors.AuthenticationFailedError():
            remedy = (
                "check kafka.token_file or kafka.token_url"
                if kafka.mechanism == "OAUTHBEARER"
                else ("check kafka.username, kafka.password or kafka.password_file, and kafka.mechanism")
            )
            return f"{where} does not accept the credentials{_who(kafka)}: {remedy}"
        case errors.UnsupportedSaslMechanismError():
            return f"{where} does not offer kafka.mechanism {kafka.mechanism}: {error.args[0] if error.args else ''}"
        case errors.IllegalSaslStateError():
            return f"{where} wants no SASL: check {_other(kafka)}"
        case ssl.SSLCertVerificationError():
            return _certificate(where, error)
        case ssl.SSLError() if error.reason and "ALERT" in error.reason:
            return (
                f"{where} refuses the client's certificate ({error.reason}): check kafka.certificate_file and key_file"
            )
        case ssl.SSLError():
            return f"{where} does not speak TLS as expected ({error.reason}): check the port and kafka.security"
        case socket.gaierror():
            return f"{where}: the name of the host is not known: check kafka.brokers"
        case ConnectionRefusedError():
            return f"nobody listens on {where}: check kafka.brokers, and that the broker runs"
        case _ if isinstance(error, DENIED):
            what = type(error).__name__.removesuffix("AuthorizationFailedError").lower()
            return f"{where} denies access to a {what}{_who(kafka)}: grant it by an ACL"
        case TimeoutError() | errors.RequestTimedOutError():
            return f"{where} does not answer: check kafka.brokers, firewalls, and {_other(kafka)}"
        case errors.KafkaConnectionError() | ConnectionError():
            return (
                f"{where} closes the connection: check {_other(kafka)}, and that the port is that of a Kafka listener"
            )
        case _:
            return f"{where}: {type(error).__name__}: {error}"


def _certificate(where: str, error: ssl.SSLCertVerificationError) -> str:
    if "mismatch" in error.verify_message:
        return (
            f"the certificate of {where} is not of that host ({error.verify_message.rstrip('.')}): name brokers as "
            "their certificates do, or set kafka.check_hostname to false"
        )
    return (
        f"the certificate of {where} is not trusted ({error.verify_message}): kafka.ca_file must hold the certificate "
        "of whoever signed it"
    )


def _who(kafka: Kafka) -> str:
    return f" of {kafka.username!r}" if kafka.authenticated and kafka.username else ""


def _other(kafka: Kafka) -> str:
    """What the listener may want instead, where it is silent about it."""
    other = f"whether it wants another kafka.security than {kafka.security}"
    if kafka.encrypted and not kafka.certificate_file:
        return f"{other}, or a client's certificate (kafka.certificate_file)"
    return other
