"""A broker that wants TLS and proofs: every way to give them, and what is said of wrong ones."""

import asyncio
import base64
import http.server
import json
import subprocess
import threading
import time
from pathlib import Path

import faust
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from drift.errors import ClusterError
from streams.kafka.client import connection, faust_broker
from streams.kafka.topics import administering
from streams.secret import Secret
from streams.settings import Kafka
from streams.topics import wanted
from tests.integration.brokers import NO_BROKER, Broker, free_ports, home

pytestmark = pytest.mark.kafka

PASSWORD = "correct-horse"
JAAS = "org.apache.kafka.common.security"


def _openssl(folder, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


def _signed(folder, name, extension):
    """A key and a certificate for ``localhost``, signed by the authority in the folder."""
    _openssl(folder, *f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}".split())
    (folder / f"{name}.ext").write_text(extension)
    signing = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2"
    _openssl(folder, *signing.split(), "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    (folder / f"{name}.pem").write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text())


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A broker with a listener for SASL over TLS and one for client certificates, and the files that clients need."""
    found = home()
    if not found:
        pytest.skip(NO_BROKER)
    folder = tmp_path_factory.mktemp("secured")
    for name in ("ca", "stranger"):
        command = f"req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -days 2 -subj /CN={name}"
        _openssl(folder, *command.split())
    _signed(folder, "broker", "subjectAltName=DNS:localhost\n")
    _signed(folder, "client", "extendedKeyUsage=clientAuth\n")
    _openssl(folder, *f"rsa -in client.key -aes256 -passout pass:{PASSWORD} -out locked.key".split())
    (port, controller), (certified, _) = free_ports(), free_ports()
    users = f'username="admin" password="admin" user_admin="admin" user_plain="{PASSWORD}"'
    listeners = f"SASL_SSL://127.0.0.1:{port},SSL://127.0.0.1:{certified}"
    given = {
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": listeners.replace("127.0.0.1", "localhost"),
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f"{JAAS}.plain.PlainLoginModule required {users};",
        "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;",
        "listener.name.sasl_ssl.oauthbearer.sasl.jaas.config": f"{JAAS}.oauthbearer.OAuthBearerLoginModule required "
        'unsecuredLoginStringClaim_sub="admin";',
        "listener.name.ssl.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
    }
    scram = [f"SCRAM-SHA-{size}=[name=scram{size},password={PASSWORD}]" for size in (256, 512)]
    formatting = [part for one in scram for part in ("--add-scram", one)]
    client = connection(_plain(folder, port), "test") | {"bootstrap_servers": f"localhost:{port}"}
    with Broker(found, folder / "kafka", (port, controller), given, formatting, client):
        yield folder, port, certified


def _plain(folder, port, **given):
    return Kafka(
        **{
            "brokers": f"localhost:{port}",
            "security": "SASL_SSL",
            "mechanism": "PLAIN",
            "username": "plain",
            "password": Secret(PASSWORD),
            "ca_file": str(folder / "ca.pem"),
        }
        | given
    )


async def _round_trip(kafka):
    """Create every topic, write to one and read it back: what an administrator, a producer and a consumer do."""
    async with administering(kafka) as admin:
        names = [one.name for one in wanted(kafka)]
        cluster = await admin.look(names)
        await admin.create([one for one in wanted(kafka) if one.name not in cluster.topics], cluster.brokers)
    topic = kafka.topic("alerts")
    producer = AIOKafkaProducer(**connection(kafka, "producer"), compression_type=kafka.codec)
    await producer.start()
    sent = await producer.send_and_wait(topic, kafka.username.encode() or b"nobody")
    await producer.stop()
    consumer = AIOKafkaConsumer(topic, **connection(kafka, "consumer"), auto_offset_reset="earliest")
    await consumer.start()
    while (record := await asyncio.wait_for(consumer.getone(), 30)).offset < sent.offset:
        pass
    await consumer.stop()
    return record.value


def refusal(kafka):
    async def connect():
        async with administering(kafka):
            raise AssertionError("it was let in")

    with pytest.raises(ClusterError) as caught:
        asyncio.run(connect())
    assert PASSWORD not in repr(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "proof",
    [
        {"mechanism": "PLAIN", "username": "plain"},
        {"mechanism": "SCRAM-SHA-256", "username": "scram256"},
        {"mechanism": "SCRAM-SHA-512", "username": "scram512"},
    ],
    ids=lambda proof: proof["mechanism"],
)
def test_a_password_opens_the_cluster(secured, proof):
    folder, port, _ = secured
    assert asyncio.run(_round_trip(_plain(folder, port, **proof))) == proof["username"].encode()


def test_a_password_may_lie_in_a_file(secured, tmp_path):
    folder, port, _ = secured
    (tmp_path / "password").write_text(PASSWORD + "\n")
    kafka = _plain(folder, port, password=Secret(), password_file=str(tmp_path / "password"))
    assert asyncio.run(_round_trip(kafka)) == b"plain"


@pytest.mark.parametrize(
    "key", [{"key_file": "client.key"}, {"key_file": "locked.key", "key_password": Secret(PASSWORD)}]
)
def test_a_certificate_opens_the_cluster(secured, key):
    folder, _, port = secured
    files = {"certificate_file": "client.crt", **key}
    files = {name: str(folder / one) if isinstance(one, str) else one for name, one in files.items()}
    kafka = Kafka(brokers=f"localhost:{port}", security="SSL", ca_file=str(folder / "ca.pem"), **files)
    assert asyncio.run(_round_trip(kafka)) == b"nobody"


def _jwt(subject):
    """A token without a signature, which the broker of these tests takes."""
    now = time.time()
    parts = [{"alg": "none"}, {"sub": subject, "iat": now, "exp": now + 3600}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts) + "."


def test_a_token_in_a_file_is_read_anew_for_every_connection(secured, tmp_path):
    folder, port, _ = secured
    file = tmp_path / "token"
    kafka = Kafka(
        brokers=f"localhost:{port}",
        security="SASL_SSL",
        mechanism="OAUTHBEARER",
        token_file=str(file),
        ca_file=str(folder / "ca.pem"),
    )
    assert f"kafka.token_file {file} cannot be read" in refusal(kafka)
    file.write_text(_jwt("one"))
    assert asyncio.run(_round_trip(kafka)) == b"nobody"
    file.write_text("no token")
    assert "does not accept the credentials: check kafka.token_file or kafka.token_url" in refusal(kafka)


@pytest.fixture
def oauth():
    """An OAuth2 server for client credentials: its address, and what it was asked."""
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.headers["Authorization"], form))
            right = "Basic " + base64.b64encode(f"robot:{PASSWORD}".encode()).decode()
            granted = {"access_token": _jwt("robot"), "expires_in": 3600, "token_type": "Bearer"}
            body = json.dumps(granted if asked[-1][0] == right else {"error": "invalid_client"}).encode()
            self.send_response(200 if asked[-1][0] == right else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token", asked
        server.shutdown()
        thread.join()


def test_client_credentials_are_changed_for_a_token(secured, oauth):
    folder, port, _ = secured
    url, asked = oauth
    kafka = _plain(folder, port, mechanism="OAUTHBEARER", username="robot", token_url=url, token_scope="kafka")
    assert asyncio.run(_round_trip(kafka)) == b"robot"
    assert asked
    assert {form for _, form in asked} == {"grant_type=client_credentials&scope=kafka"}
    said = refusal(msgspec.structs.replace(kafka, password=Secret("wrong-secret")))
    assert f"kafka.token_url {url} gave no token to client 'robot' (401, invalid_client)" in said
    assert "wrong-secret" not in said


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"password": Secret("wrong-secret")}, "does not accept the credentials of 'plain': check kafka.username"),
        ({"username": "nobody", "mechanism": "SCRAM-SHA-512"}, "does not accept the credentials of 'nobody'"),
        ({"ca_file": ""}, "is not trusted"),
        ({"ca_file": "stranger.pem"}, "kafka.ca_file must hold the certificate of whoever signed it"),
        ({"brokers": "127.0.0.1"}, "is not of that host"),
        ({"security": "SASL_PLAINTEXT", "ca_file": ""}, "check whether it wants another kafka.security"),
        ({"brokers": "no-such-host.invalid"}, "the name of the host is not known: check kafka.brokers"),
    ],
)
def test_what_does_not_fit_is_told_with_a_remedy_and_without_the_password(secured, given, words):
    folder, port, _ = secured
    given = dict(given)
    given["brokers"] = f"{given.get('brokers', 'localhost')}:{port}"
    if given.get("ca_file"):
        given["ca_file"] = str(folder / given["ca_file"])
    said = refusal(_plain(folder, port, **given))
    assert words in said
    assert "wrong-secret" not in said


def test_without_the_check_of_host_names_a_broker_may_be_called_as_one_likes(secured):
    folder, port, _ = secured
    kafka = _plain(folder, port, brokers=f"127.0.0.1:{port}", check_hostname=False)

    async def look():
        async with administering(kafka) as admin:
            return (await admin.look([])).brokers

    assert asyncio.run(look()) == 1


def test_a_client_without_a_certificate_is_told_that_one_is_wanted(secured):
    folder, _, port = secured
    kafka = Kafka(brokers=f"localhost:{port}", security="SSL", ca_file=str(folder / "ca.pem"))
    assert "kafka.certificate_file" in refusal(kafka)


def test_nothing_that_is_shown_of_settings_holds_a_password():
    kafka = _plain(Path(), 9092, key_password=Secret("also-secret"))
    assert PASSWORD not in f"{kafka} {kafka!r} {msgspec.structs.asdict(kafka)}"
    with pytest.raises(TypeError, match="Secret"):
        msgspec.json.encode(kafka)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER", ""])
def test_faust_reaches_the_same_cluster_in_the_same_way(secured, tmp_path, mechanism):
    folder, port, certified = secured
    (tmp_path / "token").write_text(_jwt("faust"))
    kafka = {
        "PLAIN": _plain(folder, port),
        "SCRAM-SHA-512": _plain(folder, port, mechanism="SCRAM-SHA-512", username="scram512"),
        "OAUTHBEARER": _plain(folder, port, mechanism="OAUTHBEARER", token_file=str(tmp_path / "token")),
        "": Kafka(
            brokers=f"localhost:{certified}",
            security="SSL",
            ca_file=str(folder / "ca.pem"),
            certificate_file=str(folder / "client.pem"),
        ),
    }[mechanism]

    async def send():
        app = faust.App("test", **faust_broker(kafka), store="memory://", web_enabled=False)
        producer = app.transport.create_producer()
        await producer.start()
        sent = await producer.send_and_wait(kafka.topic("alerts"), b"key", b"by faust", None, None, {})
        await producer.stop()
        return sent

    asyncio.run(_round_trip(kafka))
    assert asyncio.run(send()).topic == kafka.topic("alerts")
