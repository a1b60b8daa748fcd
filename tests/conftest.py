"""Settings of the whole test session."""

import logging

import pytest
import scipy.linalg  # noqa: F401  # its BLAS must be loaded before it can be limited
from hypothesis import settings
from threadpoolctl import threadpool_limits

settings.register_profile("driftline", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("driftline")


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Small matrices are multiplied ten times slower by many threads than by one."""
    with threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def loggers_as_they_were():
    """A command that runs in this process silences loggers of the Kafka client: not for the tests after it."""
    client, own = logging.getLogger("aiokafka"), logging.getLogger("streams.kafka")
    level, handlers, propagate = client.level, list(own.handlers), own.propagate
    yield
    client.setLevel(level)
    own.handlers, own.propagate = handlers, propagate
