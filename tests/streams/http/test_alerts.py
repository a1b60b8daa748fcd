"""Pages and JSON of alarms: all of a record, in every state, whoever wrote it."""

import json

import msgspec
import pytest

from streams.alerts import Alert, encode
from streams.http.evidence import Record, read
from tests.streams.http.asking import PROGRAM, ask, site
from tests.streams.http.records import ALERT, HOSTILE, acknowledged, encoded, fields, hostile, resolved
from tests.streams.http.test_texts import inside
from tests.streams.test_alert_book import record
from tests.streams.test_alerts import raised

PAGE = f"/alerts/{ALERT}"


def test_programs_get_records_as_they_were_published():
    records = [encoded(), acknowledged(), resolved()]
    found = ask(site(records), PAGE, headers=PROGRAM)
    assert found.fields == {
        "alert_id": ALERT,
        "state": "resolved",
        "records": {"firing": json.loads(records[0]), "acknowledged": json.loads(records[1])}
        | {"resolved": json.loads(records[2])},
    }
    assert all(one.decode() in found.text for one in records)


def test_everything_that_a_record_holds_is_on_its_page():
    text = inside(ask(site([encoded()], runbooks="https://r.example/"), PAGE).text).text
    for said in (
        *("Since 22:51 a fifth has moved.", "standing", "data", "topics_detector", "support-bot", "answer", "(shadow)"),
        *("22:51 UTC on 12 January 2026", "22:10 UTC on 12 January 2026", "00:38 UTC on 13 January 2026"),
        *("08:47 UTC on 13 January 2026", "191 calls, 10 hours after it began", "2,742 calls of the segment"),
        *("+15 points", "+9.4 to +22 points", "share of calls: off topic", "10 % → 25 %", "2.2 points at this number"),
        *("with the same hours of the day, in UTC", "188 now, 3,000 of the baseline", "23 % of the answers could not"),
        *("17.6 against a threshold of 16", "one false alarm of this segment in 30 days", "987,000 calls"),
        *("served model", "atlas-1", "atlas-2", "22:45 UTC on 12 January 2026"),
        *("support-bot/small", "support-bot/smaller", "all of its small segments together", "Held back"),
        *("Most questions are unlike the baseline's", "Other questions", "+5 %", "+3 to +7 %", "+31 %", "+20 to +42 %"),
        *("powerpad, chargers", "charge, twice", "1 %", "5.2 %", "grew", "48", "sampled", "Is my charger recalled?"),
        *("shrunken", "33 %", "11 %", "shrank", "5.5", "-4.4"),
        *("Great question", "at the beginning", "63 %", "13.5"),
        *("eu-west", "91", "50 %", "48 %", "78 %", "3.4", "0.00123", "carries it", "+7.3 to +25 points", "against all"),
        *("v4", "20:00 UTC on 12 January 2026", "6.62 (6.31 to 6.92)", "7.62 (7.31 to 7.92)", "whatever the input"),
        *("66 calls", "−69 %", "hot edit", "aaaa1111", "bbbb2222", "12"),
        *(
            "Where is my parcel?",
            "On its way.",
            "Does the charger burn?",
            "Please unplug it.",
            "Hello?",
            "Good morning.",
        ),
        *("b2889dc17e825612", "a80f20b380d65138", "driftline replay --segment support-bot/answer", ALERT),
        f'driftline alerts ack {ALERT} --why "..."',
    ):
        assert said in text, said
    assert "Provisional" not in text


def test_every_field_of_an_alert_record_is_read():
    known = {one.name for one in msgspec.structs.fields(Record)}
    assert {one.name for one in msgspec.structs.fields(Alert)} <= known
    assert known - {"acknowledged", "resolved_at", "provisional"} == fields().keys()


def test_the_runbook_of_its_kind_is_named_and_linked_where_it_has_an_address():
    page = ask(site([encoded()], runbooks="https://r.example/runbooks/"), PAGE).text
    assert '<a href="https://r.example/runbooks/DriftlineDataDrift.md"' in page
    page = ask(site([encoded(kind="output_length")], runbooks="docs/runbooks"), PAGE).text
    assert "<code>docs/runbooks/DriftlineOutputLengthDrift.md</code>" in page and 'href="docs' not in page
    for records, runbooks in (([encoded()], ""), ([encoded(kind="unheard of")], "https://r.example")):
        assert "runbook" not in ask(site(records, runbooks=runbooks), PAGE).text


def test_records_as_detectors_make_them_are_read_whole():
    for one in raised():
        assert msgspec.to_builtins(read(encode(one))).items() >= {"sentence": one.sentence, "kind": one.kind}.items()
        page = ask(site([encode(one)]), f"/alerts/{one.alert_id}")
        assert "not written as this release knows" not in page.text and page.status == 200


def test_who_took_notice_and_when_it_ended_are_told():
    page = ask(site([encoded(), acknowledged(by="Ann <a@b>", why="it is <wanted>")]), PAGE)
    text = inside(page.text).text
    assert "Acknowledged by Ann <a@b> at 09:00 UTC on 13 January 2026: it is <wanted>" in text
    assert "driftline alerts ack" not in text
    assert '<span class="state acknowledged">acknowledged</span>' in page.text
    page = ask(site([encoded(), acknowledged(), resolved()]), PAGE)
    text = inside(page.text).text
    assert "since 03:01 UTC on 17 January 2026" in text and "is back to normal." in text
    assert "Acknowledged by ann" in text and "Does the charger burn?" in text
    assert '<span class="state resolved">resolved</span>' in page.text


def test_a_provisional_alarm_is_marked_as_such_and_not_to_be_acknowledged():
    sides = {"measure": "typical output length", "before": 68.6, "now": 100, "difference": 0.45, "unit": "tokens"}
    absent = dict.fromkeys(("statistic", "threshold", "false_alarm", "marker", "change_point", "delay", "explained"))
    made = encoded(
        **absent, provisional=True, effect=sides, samples={"before": 150, "now": 90}, baseline="", kind="output_length"
    )
    text = inside(ask(site([made]), PAGE).text).text
    assert "provisional" in text and "Provisional: the segment had no baseline yet" in text
    assert "+45 %" in text and "68.6 tokens → 100 tokens" in text and "90 now, 150 before" in text
    assert "driftline alerts ack" not in text and "threshold" not in text
    assert "provisional" in inside(ask(site([made]), "/alerts").text).text


def test_an_alarm_of_which_the_first_record_has_gone_is_told_by_the_others():
    text = inside(ask(site([acknowledged()]), PAGE).text).text
    assert "It was acknowledged." in text and "its evidence with it" in text


@pytest.mark.parametrize(
    "wrong",
    [{"topics": "many"}, {"effect": {"measure": 5}}, {"examples": [1]}, {"calls_seen": "x"}],
)
def test_a_record_that_is_otherwise_written_is_told_without_its_evidence(wrong):
    page, said = ask(site([json.dumps(fields(**wrong)).encode()]), PAGE, f"{PAGE}?format=json")
    assert (page.status, said.status) == (200, 200)
    assert "Since 22:51 a fifth has moved." in page.text
    assert "not written as this release knows" in page.text


def test_an_alarm_that_is_not_known_is_said_so():
    page, said = ask(site(), "/alerts/feedfeedfeedfeed", ("GET", "/alerts/feedfeedfeedfeed", {"headers": PROGRAM}))
    assert (page.status, said.status) == (404, 404)
    assert "there is no alarm 'feedfeedfeedfeed' here" in said.fields["error"]
    waiting = site()
    waiting.book.waiting = "the topic is being read"
    assert "the topic is being read" in ask(waiting, "/alerts/f", headers=PROGRAM).fields["error"]


def test_alarms_are_listed_and_chosen():
    records = [record(1), record(2, app="shop & co"), record(3, kind="data"), record(3, "resolved", kind="data")]
    shown = site([*records, b"{}"])
    found = ask(shown, "/alerts?format=json").fields
    assert [int(one["alert_id"], 16) for one in found["alerts"]] == [3, 2, 1]
    assert found["alerts"][1]["segment"] == {"app": "shop & co", "prompt_name": "answer"}
    assert [one["state"] for one in found["alerts"]] == ["resolved", "firing", "firing"]
    assert (found["waiting"], found["passed_over"]) == ("", {"unreadable": 1})

    def numbers(query):
        return [int(one["alert_id"], 16) for one in ask(shown, f"/alerts?format=json&{query}").fields["alerts"]]

    assert numbers("app=shop+%26+co") == [2]
    assert numbers("kind=data") == [3]
    assert numbers("state=standing") == [2, 1]
    assert numbers("state=resolved&kind=model") == []
    page = ask(shown, "/alerts?app=shop+%26+co")
    assert "Alarm 2 is firing." in page.text and "Alarm 1" not in page.text
    assert 'href="/alerts?app=shop+%26+co&amp;state=standing"' in page.text
    assert "1 records of the topic are no alert records" in page.text


def test_no_alarm_is_said_so_and_so_is_what_is_waited_for():
    shown = site()
    assert "No alarm was raised." in ask(shown, "/alerts").text
    assert "No alarm fits this choice." in ask(shown, "/alerts?kind=data").text
    shown.book.waiting = "The topic of alerts is still being read."
    assert "still being read" in ask(shown, "/alerts").text


@pytest.mark.parametrize("path", ["/alerts", PAGE])
def test_an_enemy_makes_no_element(path):
    friendly, hostile_one = ask(site([encoded()]), path), ask(site([hostile()]), path)
    assert hostile_one.status == 200
    assert inside(hostile_one.text).tags <= inside(friendly.text).tags | {"span"}
    assert not {"\u202e", "\u2066", "\u200b", "\x1b"} & set(hostile_one.text)
    assert "&lt;script&gt;" in hostile_one.text
    assert len(hostile_one.text) < 500_000


def test_what_an_enemy_says_is_there_as_text():
    text = inside(ask(site([hostile()]), PAGE).text).text
    assert HOSTILE[0] in text and HOSTILE[1] in text and HOSTILE[5] in text
    assert "invoiceU+202Egpj.exe" in text and "the first 2,000 of 1,000,000 characters" in text
