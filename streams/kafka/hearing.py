"""What aiokafka logs for a client that tries again without end, heard once instead of several times a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar

LOGGERS = ("aiokafka", "aiokafka.cluster", "aiokafka.conn", "aiokafka.producer.producer", "aiokafka.producer.sender")

_listener: ContextVar[Callable[[str], None]] = ContextVar("listener")


def hear(listener: Callable[[str], None]) -> None:
    """From now on, tell the errors that aiokafka logs in this task and its children to the listener, and to no log.

    Other clients of the process log as ever.
    """
    _listener.set(listener)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_kept)  # the same one again is not added


def _kept(record: logging.LogRecord) -> bool:
    listener = _listener.get(None)
    if listener is None or record.levelno < logging.WARNING:
        return True
    if record.levelno >= logging.ERROR:  # warnings are of what aiokafka tries again at once
        listener(record.getMessage())
    return False
