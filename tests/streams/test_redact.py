"""Secrets never leave the process in an excerpt, wherever they stand."""

from functools import cache
from itertools import chain

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drift import baseline as baselines
from drift.budget import parse
from drift.pane import decode, encode
from streams import alerts
from streams.building import build_baseline, measured_panes
from streams.embedded import Options, Watch
from streams.measure import Meter
from streams.observe import Clock
from streams.phones import REGIONS
from streams.privacy import private
from streams.redact import EXCERPT, MARGIN, PIECE, redacted
from tests.streams import traffic

KEYS = (
    "sk-proj-Ab3dEfGhIjKlMnOpQrStUvWxYz0123456789abcd",
    "sk-ant-api03-Zx9cVb8nMa7sDf6gHj5kLq4wEr3tYu2i",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghij_klmnopqrstuv",
    "xoxb-123456789012-abcdefGHIJKL",
    "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
    "hf_AbCdEfGhIjKlMnOpQrStUv",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
)
EMAILS = (
    "jo@example.org",
    "jo.d'arc+news_2026@mail.example.co.uk",
    "jörg.müller@bücher.example",
    "用户@例子.公司",
    "a-b@xn--bcher-kva.example",
)
CARDS = (
    "4111111111111111",
    "4111 1111 1111 1111",
    "5555-5555-5555-4444",
    "3782 822463 10005",
    "6011.1111.1111.1117",
    "4111 – 1111 – 1111 – 1111",
)
IBANS = (
    "DE89370400440532013000",
    "GB82 WEST 1234 5698 7654 32",
    "fr14 2004 1010 0505 0001 3m02 606",
    "NO93-8601-1117-947",
)
ADDRESSES = ("192.168.10.7", "8.8.8.8", "2001:db8::ff00:42:8329", "fe80::1ff:fe23:4567:890a", "::ffff:192.0.2.128")
PHONES = (
    "+49 (0)30 901820-10",
    "0049 30 9018200",
    "(415) 555-2671",
    "415.555.2671",
    "07911 123456",
    "06 12 34 56 78",
    "612 34 56 78",
    "+91-98765-43210",
    "+1-212-456-7890",
    "+81 3-1234-5678",
)
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA75nP\nQ2x8m1ZkUuY\n-----END RSA PRIVATE KEY-----"
MARKED = (
    ("email", EMAILS),
    ("key", (*KEYS, PEM)),
    ("card", CARDS),
    ("iban", IBANS),
    ("ip", ADDRESSES),
    ("phone", PHONES),
)
EACH = [(kind, secret) for kind, secrets in MARKED for secret in secrets]


def pieces(secret, size=6):
    """Every run of so many letters and digits of a secret, as written."""
    runs = (secret[at : at + size] for at in range(len(secret) - size + 1))
    return {run for run in runs if sum(character.isalnum() for character in run) >= size - 2}


@pytest.mark.parametrize(("kind", "secret"), EACH, ids=[secret[:20].strip() for _, secret in EACH])
def test_a_secret_becomes_a_mark_and_nothing_around_it_is_lost(kind, secret):
    assert redacted(f"Take {secret}, and thanks") == f"Take ⟨{kind}⟩, and thanks"
    assert redacted(f"({secret})") == f"(⟨{kind}⟩)"
    assert redacted(secret) == f"⟨{kind}⟩"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password: hunter2!", "password: ⟨secret⟩"),
        ('{"api_key": "s3cr3t-word"}', '{"api_key": "⟨secret⟩"}'),
        ("mein Passwort ist Sommer2026 danke", "mein Passwort ist ⟨secret⟩ danke"),
        ("the token is Abc$12xyz", "the token is ⟨secret⟩"),
        ("İİİ PASSWORD=İabcİ, İ", "İİİ PASSWORD=⟨secret⟩, İ"),
        ("Authorization: Bearer abcDEF123._-ghiJKL", "Authorization: Bearer ⟨secret⟩"),
        ("curl -H 'bearer abcDEF123._-ghiJKL'", "curl -H 'bearer ⟨secret⟩'"),
        ("postgres://bob:s3cr3t@db.example/x", "postgres://⟨secret⟩/x"),
        ("call me on 555-2671 today", "call me on ⟨phone⟩ today"),
        ("415-555-2671 2 times, 07911 123456", "⟨phone⟩ 2 times, ⟨phone⟩"),
        ("4111 1111 1111 1111 12/27 123", "⟨card⟩ 12/27 123"),
    ],
)
def test_what_is_called_a_secret_is_one(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "order 4111111111111112 of 2026-03-14, 10:30:45, 1,234.56 EUR",
        "Is 1990 2000 2010 2020 a sequence? 7 + 8 = 15; 100 200 300 400",
        "invoice 12345678, version 3.11.7, ratio 16:9, 12.500.000 users",
        "std::vector<int> a; x = a[1:2:3]; see /usr/local/lib/python3/site/packages",
        "my password is wrong and the key point is token counts",
        "internationalization of well-known state-of-the-art how-to-make-2-pancakes-at-home",
        "meet me @ noon, e.g. at 5 @ 3 EUR, with react@18.2.0 and @someone",
        "DE12 3456 is no account; neither is DE89370400440532013001",
    ],
)
def test_what_is_none_stays(text):
    assert redacted(text) == text


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_phone_numbers_of_every_country_are_known_with_their_prefix(region):
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    number = number or phonenumbers.example_number(region)
    forms = [phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL]
    if region in REGIONS:
        forms.append(phonenumbers.PhoneNumberFormat.NATIONAL)
    for form in forms:
        assert redacted(f"ring {phonenumbers.format_number(number, form)} now") == "ring ⟨phone⟩ now"
        assert redacted(f"It is {phonenumbers.format_number(number, form)}.") == "It is ⟨phone⟩."


WORDS = st.lists(
    st.sampled_from(
        ["how", "do", "I", "change", "the", "plan", "of", "my", "account,", "please?", "and", "then", "what."]
    ),
    max_size=80,
)
SECRETS = st.sampled_from([secret for _, secret in EACH])


@given(WORDS, SECRETS, WORDS, st.sampled_from(" \n\t,;(\"'"), st.integers(0, EXCERPT))
@example([], PEM + "x" * 5000, [], " ", EXCERPT - 3)
@example([], CARDS[1], [], " ", EXCERPT - 7)
@example([], "eyJ" + "hbGciOi1" * 400 + ".e30.x", [], " ", EXCERPT - 1)
def test_no_part_of_a_planted_secret_is_shown_wherever_it_stands(before, secret, after, between, shift):
    lead = "z" * 9 + " " + " ".join(before)
    text = (lead + " x" * shift)[: max(len(lead), shift)] + between + secret + " " + " ".join(after)
    shown = redacted(text)
    assert not [piece for piece in pieces(secret) if piece in shown]
    assert len(shown) <= EXCERPT
    assert shown.count("⟨") == shown.count("⟩")
    assert redacted(text[: PIECE + 1]) == shown


@given(WORDS, SECRETS, st.integers(1, 60))
def test_an_excerpt_that_ends_in_half_a_secret_is_shown_without_its_end(before, secret, kept):
    text = " ".join(before) + " " + secret[:kept]
    shown = redacted(text, whole=False)
    assert not [piece for piece in pieces(secret[:kept]) if piece in shown]
    assert len(shown) <= max(0, len(text) - MARGIN + len("⟨secret⟩"))


@given(st.text(max_size=1000))
def test_any_text_has_an_excerpt_that_is_not_longer_than_allowed(text):
    shown = redacted(text)
    assert len(shown) <= EXCERPT
    if "⟨" not in shown:
        assert text.startswith(shown)
        assert len(shown) == min(len(text), EXCERPT)


PLANTED = (EMAILS[0], KEYS[0], KEYS[2], CARDS[1], IBANS[1], ADDRESSES[0], PHONES[0], "hunter2!zanzibar")
SAID = ("write to {}", "my key is {}", "or {}", "pay with {}", "account {}", "from {}", "ring {}", "password: {}")


def planted(first, last, asked=None, **fields):
    """Calls that hold a secret each in input and output, at places up to and around the cut."""
    made = [{**call, "input": asked or call["input"]} for call in traffic.calls(first, last, **fields)]
    for number, call in enumerate(made):
        kind = number % len(PLANTED)
        filler = "and so on " * (number * 7 % 45)
        said = f"{filler}{SAID[kind].format(PLANTED[kind])} "
        call |= {
            name: f"{call[name]} {said}" if number % 3 else said + call[name]
            for name in ("input", "output")
            if call.get(name)
        }
    return made


@cache
def discreet(texts):
    """A meter, a baseline of planted calls, and alerts on planted calls that another model answers."""
    meter = Meter(traffic.meter().embedder, texts=texts)
    baseline = build_baseline(meter, traffic.records(planted(0, 300)))
    soil = "Which soil do tomatoes and basil want, and how often do I water tomatoes in pots?" * 3
    log = planted(300, 420) + planted(420, 900, soil, changed_from=600)
    watched = Watch(meter, Options(parse("20000 calls")), {traffic.SEGMENT: baseline})
    told, _ = watched.feed(traffic.records(log))
    return meter, baseline, [*told, *watched.finish()]


def everything(texts):
    """All that leaves the process: panes, the baseline's file, alerts."""
    meter, baseline, told = discreet(texts)
    panes = measured_panes(meter, baseline.lens, traffic.records(planted(300, 420)), Clock(), 64)
    kept = chain.from_iterable(decode(encode(pane)).sample.texts for pane in panes)
    return "\n".join([*chain.from_iterable(kept), str(baselines.encode(baseline)), *map(str, map(alerts.encode, told))])


def test_planted_secrets_are_in_no_pane_baseline_or_alert():
    _, baseline, told = discreet("redacted")
    assert {one.kind for one in told} >= {"data", "model"}
    assert baseline.facts["texts"] == "redacted"
    assert baseline.examples
    assert baseline.answers
    said = everything("redacted")
    assert "⟨email⟩" in said
    assert not [piece for secret in PLANTED for piece in pieces(secret, 8) if piece in said]
    plain = everything("full")
    assert all(any(piece in plain for piece in pieces(secret, 8)) for secret in PLANTED)


def test_without_texts_no_word_leaves_the_process():
    _, baseline, told = discreet("none")
    assert told
    assert not baseline.vocabulary.frequency
    assert not any(baseline.labels)
    said = everything("none").lower()
    for word in ("tomatoes", "write", "certainly", "parcel", "refund", "zanzibar", "so on"):
        assert word in everything("full").lower()
        assert word not in said


def test_a_baseline_of_full_texts_says_no_more_than_the_setting_allows():
    baseline = discreet("full")[1]
    shut, cut = private(baseline, "none"), private(baseline, "redacted")
    assert shut.id == cut.id == baseline.id
    assert not (any(shut.labels) or shut.examples or shut.answers or shut.vocabulary.frequency)
    shown = f"{cut.labels}{cut.examples}{cut.answers}"
    assert "⟨email⟩" in shown
    assert not [piece for secret in PLANTED for piece in pieces(secret, 8) if piece in shown]
    assert private(baseline, "full") is baseline
    careful = discreet("redacted")[1]
    assert private(careful, "full") is private(careful, "redacted") is careful
