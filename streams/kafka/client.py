"""How clients reach the cluster: arguments of aiokafka and of Faust, from settings."""

from __future__ import annotations

import ssl
from typing import Any

from drift.errors import SettingsError
from streams.kafka.tokens import token_provider
from streams.secret import opened, reason
from streams.settings import Kafka


def connection(kafka: Kafka, role: str) -> dict[str, Any]:
    """Arguments that every aiokafka client takes; ``role`` tells it from others in the brokers' logs.

    Files are read now. With a password the result holds it in clear: hand it to a client, and never print it.

    Raises
    ------
    SettingsError
        No cluster is named, or a file of the settings cannot be read or used.
    """
    found: dict[str, Any] = {
        "bootstrap_servers": [_address(*one) for one in kafka.addresses()],
        "client_id": f"{kafka.client_id}-{role}",
        "security_protocol": kafka.security,
    }
    if kafka.encrypted:
        found["ssl_context"] = tls(kafka)
    if kafka.authenticated:
        found["sasl_mechanism"] = kafka.mechanism
        if kafka.mechanism == "OAUTHBEARER":
            found["sasl_oauth_token_provider"] = token_provider(kafka)
        else:
            found["sasl_plain_username"] = kafka.username
            found["sasl_plain_password"] = opened(kafka.password, kafka.password_file, "kafka.password_file")
    return found


def faust_broker(kafka: Kafka) -> dict[str, Any]:
    """Arguments that a Faust app takes to reach the same cluster: ``broker`` and, if need be, ``broker_credentials``.

    Raises
    ------
    SettingsError
        As `connection` does.
    """
    import faust  # slow, and only the judge wants it

    addresses = [f"kafka://{_address(*one)}" for one in kafka.addresses()]
    context = tls(kafka) if kafka.encrypted else None
    found: dict[str, Any] = {"broker": addresses}
    if kafka.authenticated and kafka.mechanism == "OAUTHBEARER":
        found["broker_credentials"] = faust.OAuthCredentials(oauth_cb=token_provider(kafka), ssl_context=context)
    elif kafka.authenticated:
        found["broker_credentials"] = faust.SASLCredentials(
            username=kafka.username,
            password=opened(kafka.password, kafka.password_file, "kafka.password_file"),
            ssl_context=context,
            mechanism=kafka.mechanism,
        )
    elif context:
        found["broker_credentials"] = faust.SSLCredentials(context)
    return found


def tls(kafka: Kafka) -> ssl.SSLContext:
    """Whom to trust, and the client's own certificate.

    Raises
    ------
    SettingsError
        A file cannot be read, or does not hold what it should.
    """
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(f"kafka.ca_file {kafka.ca_file} holds no certificates in PEM: {reason(error)}") from error
    context.check_hostname = kafka.check_hostname
    if kafka.certificate_file:
        password = opened(kafka.key_password, kafka.key_password_file, "kafka.key_password_file")
        try:
            # without a password OpenSSL would ask for one at the terminal
            context.load_cert_chain(kafka.certificate_file, kafka.key_file or None, lambda: password)
        except OSError as error:
            raise SettingsError(
                f"kafka.certificate_file {kafka.certificate_file} and its key cannot be used: {reason(error)}; both "
                "must be PEM and belong to each other, and kafka.key_password must open the key if it is locked"
            ) from error
    return context


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
