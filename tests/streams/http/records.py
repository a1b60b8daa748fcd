"""Alert records of every shape, and one by an enemy."""

from __future__ import annotations

import json

ALERT = "0123456789abcdef"

SCRIPT = "<script>document.title = 'taken'; alert(1)</script>"
IMAGE = "\"><img src=x onerror=\"document.title='taken'\"><img src='http://127.0.0.1:9/pixel.png'>"
TURNED = "invoice\u202egpj.exe\u2066 and \u2067more"
HIDDEN = "ig\u200bno\u200cre\u200d me\ufeff\u2028\x1b[31m\U000e0041\u3164"
LONG = "W" * 1_000_000
BROKEN = "half a pair: \ufffd, and {{ 7 * 7 }} {% raise %}"
STACKED = "Z" + "\u0335\u0321\u035a" * 500
HOSTILE = (SCRIPT, IMAGE, TURNED, HIDDEN, LONG, BROKEN, STACKED)


def fields(state="firing", **more):
    """A record with all that one can hold."""
    found = {
        "record_id": f"{ALERT}-{state}",
        "alert_id": ALERT,
        "state": state,
        "segment": {"app": "support-bot", "prompt_name": "answer", "variant": "shadow"},
        "kind": "data",
        "detector": "topics_detector",
        "sentence": "Since 22:51 a fifth has moved.",
        "raised_at": "2026-01-13T08:47:30.000Z",
        "since": "2026-01-12T22:51:00.000Z",
        "calls_seen": 2742,
        "statistic": 17.636293,
        "threshold": 16.030257,
        "false_alarm": {"every_calls": 987_000, "every": "30 days"},
        "baseline": "b2889dc17e825612",
        "lens": "a80f20b380d65138",
        "effect": {
            "measure": "share of calls: off topic",
            "baseline": 0.1,
            "current": 0.251309,
            "difference": 0.151309,
            "low": 0.093993,
            "high": 0.218103,
            "without_drift": 0.022388,
            "unit": "points",
            "compared": "with the same hours of the day, in UTC",
        },
        "delay": {"calls": 191, "s": 35790.0},
        "samples": {"baseline": 3000, "current": 188, "left_out": 0.225352},
        "level": "app",
        "members": ["support-bot/small", "support-bot/smaller"],
        "held_back": ["model"],
        "explained": {
            "mix": 0.05,
            "mix_low": 0.03,
            "mix_high": 0.07,
            "conditional": 0.31,
            "low": 0.2,
            "high": 0.42,
            "unlike": True,
        },
        "change_point": {
            "at": "2026-01-12T22:51:00.000Z",
            "low": "2026-01-12T22:10:50.000Z",
            "high": "2026-01-13T00:38:00.000Z",
        },
        "marker": {"field": "served_model", "before": "atlas-1", "after": "atlas-2", "at": "2026-01-12T22:45:00.000Z"},
        "topics": [
            {
                "label": "charge, twice",
                "words": "powerpad, chargers",
                "share_before": 0.0104,
                "z": 5.5,
                "share_now": 0.0524,
                "calls": 48,
                "sampled": True,
                "examples": ["Is my charger recalled?"],
            },
            {"label": "shrunken", "share_before": 0.33, "share_now": 0.11, "z": -4.4, "calls": 9},
        ],
        "ngrams": [{"text": "Great question", "opening": True, "share_before": 0.01, "share_now": 0.63, "z": 13.5}],
        "slices": [
            {
                "field": "region",
                "value": "eu-west",
                "calls": 91,
                "share_before": 0.501,
                "share_now": 0.481481,
                "contribution": 0.777,
                "z": 3.4,
                "p_adjusted": 0.00123,
                "carries": True,
                "effect": 0.152947,
                "low": 0.073265,
                "high": 0.252012,
                "unit": "points",
                "baseline": 0.0998,
                "current": 0.252747,
                "sampled": True,
                "against_all": True,
            }
        ],
        "chain": [
            {
                "version": "v4",
                "since": "2026-01-12T20:00:00.000Z",
                "calls": 79,
                "variant": "shadow",
                "step": {"size": 6.62, "low": 6.31, "high": 6.92, "samples": 66, "given_inputs": True},
                "from_anchor": {"size": 7.62, "low": 7.31, "high": 7.92, "samples": 66, "given_inputs": False},
                "length_change": -0.688452,
            }
        ],
        "prompt_version": "v4",
        "rule": {"rule": "hot_edit", "version": "v4", "before": "aaaa1111", "after": "bbbb2222", "calls": 12},
        "examples": {
            "before": [{"input": "Where is my parcel?", "output": "On its way."}],
            "now": [{"input": "Does the charger burn?", "output": "Please unplug it."}],
            "least": [{"input": "Hello?", "output": "Good morning."}],
        },
        "replay": "driftline replay --segment support-bot/answer",
    }
    return found | more


def encoded(**found):
    return json.dumps(fields(**found), ensure_ascii=False).encode()


def acknowledged(by="ann", why="a new model is wanted"):
    kept = ("alert_id", "segment", "kind", "detector", "raised_at", "since", "calls_seen")
    whole = fields()
    told = {"at": "2026-01-13T09:00:00.000Z", "by": by, "why": why}
    more = {"record_id": f"{ALERT}-acknowledged", "state": "acknowledged", "acknowledged": told}
    return json.dumps({name: whole[name] for name in kept} | more | {"sentence": "It was acknowledged."}).encode()


def resolved():
    return encoded(
        state="resolved",
        resolved_at="2026-01-17T03:01:00.000Z",
        sentence="support-bot/answer is back to normal.",
        examples=None,
    )


def hostile():
    """Everything that calls, apps and people may say, said by an enemy."""
    calls = [{"input": text, "output": text[:50_000]} for text in HOSTILE]
    topics = [{"label": text[:300], "words": text[:5000], "z": 3, "examples": [text]} for text in HOSTILE]
    return encoded(
        segment={"app": SCRIPT, "prompt_name": IMAGE, "variant": TURNED},
        sentence=" ".join(HOSTILE[:4]),
        detector=IMAGE,
        examples={"before": calls[:4], "now": calls[4:], "least": calls[:4]},
        topics=topics,
        ngrams=[{"text": text[:500], "share_before": 0, "share_now": 1} for text in HOSTILE],
        slices=[fields()["slices"][0] | {"field": SCRIPT, "value": text[:5000]} for text in HOSTILE],
        marker={"field": SCRIPT, "before": IMAGE, "after": LONG[:5000], "at": SCRIPT},
        prompt_version=SCRIPT,
        replay=IMAGE,
        members=list(HOSTILE[:4]),
        held_back=[SCRIPT],
        rule={"rule": SCRIPT, "version": IMAGE, "before": TURNED, "after": HIDDEN, "calls": 1},
        chain=[fields()["chain"][0] | {"version": IMAGE, "variant": SCRIPT, "since": IMAGE}],
        false_alarm={"every": SCRIPT},
        baseline=IMAGE,
        lens=SCRIPT,
        change_point={"at": IMAGE, "low": SCRIPT, "high": IMAGE},
    )
