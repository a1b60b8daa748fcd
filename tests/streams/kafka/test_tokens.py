"""Tokens of an OAuth2 server: asked for again only when the last is about to end."""

import asyncio

import pytest
from aiohttp import web

from streams.kafka.tokens import ClientToken, FileToken, TokenError
from streams.secret import Secret
from streams.settings import Kafka


def answers(answer, work):
    """What ``work`` gives for the settings of a server that answers like this, and how often it was asked."""
    asked = []

    async def serve(request):
        asked.append(await request.post())
        return answer(len(asked))

    async def run():
        app = web.Application()
        app.router.add_post("/token", serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            return await work(settings(f"http://127.0.0.1:{port}/token"))
        finally:
            await runner.cleanup()

    return asyncio.run(run()), len(asked)


def settings(url):
    return Kafka(mechanism="OAUTHBEARER", username="u", password=Secret("hunter2"), token_url=url)


def granted(number):
    return web.json_response({"access_token": f"token-{number}", "expires_in": 300})


def test_a_token_is_kept_until_a_minute_before_it_ends():
    now = iter([0.0, 0.0, 239.0, 240.0, 240.0])

    async def work(kafka):
        provider = ClientToken(kafka, lambda: next(now))
        return [await provider.token() for _ in range(3)]

    assert answers(granted, work) == (["token-1", "token-1", "token-2"], 2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda number: web.Response(status=500, text="secret details"), r"gave no token to client 'u' \(500\)"),
        (lambda number: web.json_response({"error": "invalid_scope"}, status=400), r"\(400, invalid_scope\)"),
        (lambda number: web.Response(text="<html>"), "answers with what is no OAuth2 token"),
        (lambda number: web.json_response({"token": "t"}), "answers with what is no OAuth2 token"),
    ],
)
def test_a_server_that_gives_no_token_is_told_by_its_address(answer, words):
    async def work(kafka):
        with pytest.raises(TokenError, match=words) as caught:
            await ClientToken(kafka).token()
        return str(caught.value)

    said, _ = answers(answer, work)
    assert "kafka.token_url http://127.0.0.1" in said
    assert "secret" not in said.replace("kafka.password", "")
    assert "hunter2" not in said


def test_a_server_that_cannot_be_reached_is_a_connection_that_failed():
    with pytest.raises(ConnectionError, match=r"kafka\.token_url http://127\.0\.0\.1:1/ cannot be reached"):
        asyncio.run(ClientToken(settings("http://127.0.0.1:1/")).token())


def test_an_empty_token_file_is_told(tmp_path):
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(TokenError, match="it must hold the token alone"):
        asyncio.run(FileToken(str(tmp_path / "token")).token())
