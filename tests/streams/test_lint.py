"""Which names of models say what answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.lint import MODELS, Requested, is_pinned

PINNED = (
    # OpenAI and Azure
    "gpt-4o-2024-05-13",
    "gpt-4.1-mini-2025-04-14",
    "o1-preview-2024-09-12",
    "gpt-4-0613",
    "gpt-4-32k-0314",
    "gpt-4-1106-preview",
    "gpt-3.5-turbo-0125",
    "text-embedding-ada-002",
    "ft:gpt-4o-mini-2024-07-18:acme::9AbCdEf1",
    "azure/gpt-4o-2024-08-06",
    "prod-gpt4-0613",
    # Anthropic, there, on Vertex and on Bedrock
    "claude-3-5-sonnet-20241022",
    "claude-sonnet-4-20250514",
    "claude-3-5-sonnet-v2@20241022",
    "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "us.anthropic.claude-3-haiku-20240307-v1:0",
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2:1",
    "amazon.nova-pro-v1:0",
    "amazon.titan-embed-text-v1",
    "meta.llama3-1-70b-instruct-v1:0",
    "mistral.mistral-large-2407-v1:0",
    # Google
    "gemini-1.5-pro-002",
    "models/gemini-1.5-flash-001",
    "gemini-2.5-pro-preview-05-06",
    "projects/p/locations/l/publishers/google/models/text-bison@001",
    # Mistral, Cohere, xAI
    "mistral-large-2407",
    "codestral-2501",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "command-r-plus-08-2024",
    "grok-2-1212",
    # Ollama and Hugging Face
    "llama3@sha256:365c0bd3c000a25d28ddbf732fe1c6add414de7275464c4e4d1c3b5fcb5d8ad1",
    "llama3:latest@sha256:365c0bd3c000",
    "meta-llama/Llama-3.1-8B-Instruct@0e9e39f249a16976918f6564b8830bc894c89659",
)
LOOSE = (
    "gpt-4o",
    "gpt-4.1",
    "gpt-4-turbo",
    "gpt-4-turbo-preview",
    "gpt-3.5-turbo-16k",
    "chatgpt-4o-latest",
    "o3",
    "text-embedding-3-small",
    "my-deployment",
    "gpt4-prod-eu",
    "claude-sonnet-latest",
    "claude-3-5-sonnet-latest",
    "claude-opus-4-1",
    "claude-3-5-sonnet",
    "gemini-pro",
    "gemini-1.5-pro-latest",
    "gemini-2.0-flash",
    "mistral-large-latest",
    "open-mixtral-8x22b",
    "command-r",
    "llama3:latest",
    "llama3.1:8b",
    "llama3.1:8b-instruct-q4_K_M",
    "qwen2.5:72b",
    "llama3-70b-8192",
    "mixtral-8x7b-32768",
    "deepseek-chat",
    "meta-llama/Llama-3.1-8B-Instruct@main",
    "accounts/fireworks/models/llama-v3p1-70b-instruct",
    "eval-2024-05-13/gpt-4o",
)


@pytest.mark.parametrize("model", PINNED)
def test_a_date_a_numbered_version_or_a_digest_pins_a_name(model):
    assert is_pinned(model)
    assert is_pinned(f" {model.upper()} ")


@pytest.mark.parametrize("model", LOOSE)
def test_a_family_a_size_or_the_latest_pins_nothing(model):
    assert not is_pinned(model)


def test_calls_are_counted_by_segment_and_told_in_one_sentence():
    asked = Requested(10)
    asked.add([("a", "gpt-4o")] * 900 + [("b", "gpt-4o")] * 100 + [("b", "gpt-4-0613")] * 500 + [("b", "")] * 7)
    asked.add([("b", "o3")] * 20 + [("c", "gpt-4-0613")] * 3)
    assert asked.unpinned == {"a": {"gpt-4o": 900}, "b": {"gpt-4o": 100, "o3": 20}}
    assert list(asked.sentences()) == [
        "1,000 of 1,523 calls ask for “gpt-4o” (and 20 for 1 more like it), a name without a version: "
        "the provider may change what answers behind it"
    ]


def test_pinned_names_and_calls_without_a_name_are_worth_no_word():
    asked = Requested(10)
    asked.add([("a", "gpt-4-0613"), ("a", "")])
    assert not list(asked.sentences())
    assert asked.models == {"gpt-4-0613": 1}


@given(st.lists(st.tuples(st.text("abc", max_size=2), st.text("xyz", max_size=4)), max_size=300), st.integers(1, 5))
def test_counts_are_bounded_and_lose_no_call(calls, most):
    asked = Requested(most)
    asked.add(calls)
    assert sum(asked.models.values()) == sum(bool(model) for _, model in calls)
    assert len(asked.by_segment) <= most + 1
    assert all(len(counts) <= MODELS + 1 for counts in asked.by_segment.values())
