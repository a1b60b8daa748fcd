"""Arguments of clients: what each setting becomes, and what is said of files that cannot be used."""

import ssl
import subprocess

import faust
import pytest

from drift.errors import SettingsError
from streams.kafka.client import connection, faust_broker
from streams.secret import Secret
from streams.settings import Kafka

PROOF = {"username": "u", "password": Secret("hunter2")}


@pytest.fixture(scope="module")
def pem(tmp_path_factory):
    """A certificate that signs itself, its key, and another key that is not its own."""
    folder = tmp_path_factory.mktemp("pem")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout own.key -out own.pem -days 2 -subj /CN=own"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    subprocess.run(["openssl", "genrsa", "-out", "other.key", "2048"], cwd=folder, check=True, capture_output=True)
    (folder / "empty.pem").write_text("")
    return folder


def test_without_more_a_client_is_told_addresses_and_its_name():
    assert connection(Kafka(brokers="a:1,[::1]:2", client_id="us"), "observe") == {
        "bootstrap_servers": ["a:1", "[::1]:2"],
        "client_id": "us-observe",
        "security_protocol": "PLAINTEXT",
    }
    assert faust_broker(Kafka(brokers="a:1,b:2")) == {"broker": ["kafka://a:1", "kafka://b:2"]}


@pytest.mark.parametrize("make", [lambda kafka: connection(kafka, "x"), faust_broker])
def test_without_a_cluster_it_is_said_how_to_name_one(make):
    with pytest.raises(SettingsError, match="DRIFTLINE_KAFKA_BROKERS"):
        make(Kafka())


def test_tls_trusts_the_given_authority_alone_and_checks_host_names_unless_told_otherwise(pem):
    kafka = Kafka(brokers="a:1", security="SSL", ca_file=str(pem / "own.pem"))
    context = connection(kafka, "x")["ssl_context"]
    assert [dict(part[0] for part in one["subject"]) for one in context.get_ca_certs()] == [{"commonName": "own"}]
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    loose = connection(Kafka(brokers="a:1", security="SSL", check_hostname=False), "x")["ssl_context"]
    assert (loose.check_hostname, loose.verify_mode) == (False, ssl.CERT_REQUIRED)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_passwords_are_handed_to_clients_of_both_kinds(mechanism):
    kafka = Kafka(brokers="a:1", security="SASL_PLAINTEXT", mechanism=mechanism, **PROOF)
    found = connection(kafka, "x")
    assert found["sasl_mechanism"] == mechanism
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("u", "hunter2")
    credentials = faust_broker(kafka)["broker_credentials"]
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.mechanism.value, credentials.protocol.value) == (mechanism, "SASL_PLAINTEXT")
    assert (credentials.username, credentials.password) == ("u", "hunter2")
    assert "hunter2" not in repr(credentials)


def test_a_password_file_is_read_whenever_a_client_is_made(tmp_path):
    file = tmp_path / "password"
    kafka = Kafka(brokers="a:1", security="SASL_PLAINTEXT", username="u", password_file=str(file))
    for text in ("one\n", " two "):
        file.write_text(text)
        assert connection(kafka, "x")["sasl_plain_password"] == text.rstrip("\n")


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"\n", "is empty"), (b"\xff", "UTF-8")])
def test_a_password_file_that_cannot_be_used_is_told_by_its_setting(tmp_path, content, words):
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    kafka = Kafka(brokers="a:1", security="SASL_PLAINTEXT", username="u", password_file=str(file))
    with pytest.raises(SettingsError, match=rf"kafka\.password_file {file} .*{words}"):
        connection(kafka, "x")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"ca_file": "none.pem"}, "kafka.ca_file"),
        ({"ca_file": "empty.pem"}, "holds no certificates in PEM"),
        ({"certificate_file": "own.pem", "key_file": "other.key"}, "belong to each other"),
        ({"certificate_file": "own.pem", "key_file": "none.key"}, "cannot be used: No such file"),
    ],
)
def test_certificates_that_cannot_be_used_are_told_by_their_settings(pem, files, words):
    kafka = Kafka(brokers="a:1", security="SSL", **{name: str(pem / file) for name, file in files.items()})
    with pytest.raises(SettingsError) as caught:
        connection(kafka, "x")
    assert words in str(caught.value)
    assert str(pem) in str(caught.value)
