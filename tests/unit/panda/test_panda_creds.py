"""Proxies and keys that the server hands out, under the names of today and of yesterday."""

from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from panda_tools import look

from harvester.panda import Credentials, PandaClient, PandaRefused
from harvester.panda.devserver import DevServer
from harvester.plugins.credentials.validity import of_proxy
from moving_clock import NOW


def told(data: object) -> PandaClient:
    """A client whose server says so."""
    answer = {"success": True, "message": "", "data": data}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=answer))
    return PandaClient("http://panda/api/v1", Credentials(), "h", retries=0, transport=transport)


def test_a_proxy_names_its_role_and_lasts_four_days(client: PandaClient, tmp_path: Path):
    path = tmp_path / "proxy"
    path.write_text(client.proxy("vo:/vo/Role=production"))
    assert of_proxy(path).until == NOW + timedelta(hours=96)


def test_the_same_client_has_the_same_key_which_opens_a_token(client: PandaClient, server: DevServer):
    key = client.token_key("pilots")
    assert key == client.token_key("pilots") != client.token_key("others")
    given = look(server.url, f"creds/get_access_token?client_name=pilots&token_key={key}")
    assert given["data"] == {"user_proxy": "token.of.pilots"}
    for wrong in ("", "&token_key=wrong"):
        assert look(server.url, f"creds/get_access_token?client_name=pilots{wrong}")["success"] is False


def test_names_of_yesterday_are_understood():
    with told({"userProxy": "a proxy"}) as client:
        assert client.proxy("") == "a proxy"
    with told({"token_key": "a key"}) as client:
        assert client.token_key("x") == "a key"


@pytest.mark.parametrize(
    "data", [None, {}, [], "s3cret", {"user_proxy": ""}, {"tokenKey": 5, "user_proxy": ["s3cret"]}]
)
def test_an_answer_without_one_is_a_refusal_that_quotes_nothing(data: object):
    with told(data) as client:
        for ask in (client.proxy, client.token_key):
            with pytest.raises(PandaRefused, match="the answer has no") as caught:
                ask("x")
            assert "s3cret" not in str(caught.value)
