"""The brokers of the tests themselves: shared while anybody uses one, and their data kept through a crash."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.kafka.client import connection

pytestmark = pytest.mark.kafka


async def _create(address, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def _send(address, topic, data):
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all")
    await producer.start()
    await producer.send_and_wait(topic, data)
    await producer.stop()


async def _first(arguments, topic):
    consumer = AIOKafkaConsumer(topic, **arguments, auto_offset_reset="earliest")
    await consumer.start()
    record = await asyncio.wait_for(consumer.getone(), 30)
    await consumer.stop()
    return record.value


def test_the_shared_broker_keeps_what_is_written(kafka):
    asyncio.run(_create(kafka.brokers, kafka.topic("calls")))
    asyncio.run(_send(kafka.brokers, kafka.topic("calls"), b"one call"))
    assert asyncio.run(_first(connection(kafka, "test"), kafka.topic("calls"))) == b"one call"


def test_a_killed_broker_comes_back_with_its_data_on_the_same_port(own_broker):
    broker = own_broker()
    broker.start()
    address = broker.address
    asyncio.run(_create(address, "calls"))
    asyncio.run(_send(address, "calls", b"before"))
    broker.kill()
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(asyncio.open_connection(*address.split(":")))
    broker.start()
    assert broker.address == address
    assert asyncio.run(_first({"bootstrap_servers": address}, "calls")) == b"before"
    broker.stop()
