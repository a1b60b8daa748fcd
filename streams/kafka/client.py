"""How clients reach the cluster: arguments of aiokafka, from settings."""

from __future__ import annotations

from typing import Any

from streams.settings import Kafka


def connection(kafka: Kafka, role: str) -> dict[str, Any]:
    """Arguments that every aiokafka client takes; ``role`` tells it from others in the brokers' logs."""
    return {"bootstrap_servers": kafka.brokers, "client_id": f"{kafka.client_id}-{role}"}


def faust_broker(kafka: Kafka) -> dict[str, Any]:
    """Arguments that a Faust app takes to reach the same brokers."""
    return {"broker": [f"kafka://{one.strip()}" for one in kafka.brokers.split(",")]}
