"""For whom tokens are asked, and under which names they are found again."""

from hashlib import md5

import pytest

from harvester.core.facts import ComputingElement
from harvester.plugins.credentials.token_targets import COMPUTE, of_audiences, of_elements, of_endpoints, of_server


def digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("endpoint", "flavour", "address", "audience"),
    [
        ("ce.example.org", "htcondor-ce", "ce.example.org:9619", "ce.example.org:9619"),
        ("ce.example.org:9620", "htcondor-ce", "ce.example.org:9620", "ce.example.org:9620"),
        ("condor://ce.example.org", "htcondor-ce", "ce.example.org:9619", "ce.example.org:9619"),
        ("arc.example.org", "arc-ce", "arc.example.org:443", "https://arc.example.org"),
        ("arc.example.org:443", "arc-ce", "arc.example.org:443", "https://arc.example.org"),
        ("arc.example.org:2811", "arc-ce", "arc.example.org:443", "https://arc.example.org"),
        ("https://arc.example.org:8443/arex", "arc-ce", "arc.example.org:8443", "https://arc.example.org:8443"),
    ],
)
def test_a_computing_element_has_an_audience_of_its_kind_and_a_file_named_by_address_and_port(
    endpoint: str, flavour: str, address: str, audience: str
):
    (target,) = of_elements([ComputingElement(endpoint, flavour, "ACTIVE")])
    assert (target.name, target.audience, target.file_name) == (address, audience, digest(address))
    assert target.scope == COMPUTE


def test_only_those_count_that_are_in_service_and_take_tokens_each_once():
    elements = [
        ComputingElement("a", "htcondor-ce", "ACTIVE"),
        ComputingElement("a:9619", "htcondor-ce", "ACTIVE"),
        ComputingElement("b", "htcondor-ce", "DISABLED"),
        ComputingElement("c", "cream-ce", "ACTIVE"),
        ComputingElement("d", "", "ACTIVE"),
    ]
    assert [each.name for each in of_elements(elements)] == ["a:9619"]


def test_listed_elements_are_told_apart_by_their_scheme():
    audiences = [each.audience for each in of_endpoints(["ce.example.org", "https://arc.example.org:443"])]
    assert audiences == ["ce.example.org:9619", "https://arc.example.org"]


def test_any_audience_is_taken_as_it_is():
    (target,) = of_audiences(["https://wlcg.cern.ch/jwt/v1/any"] * 2)
    assert (target.audience, target.scope) == ("https://wlcg.cern.ch/jwt/v1/any", "")
    assert target.file_name == digest("https://wlcg.cern.ch/jwt/v1/any")


def test_the_server_s_audience_has_no_port():
    (target,) = of_server("https://pandaserver.cern.ch:25443/api/v1", "panda_token")
    assert (target.audience, target.file_name, target.scope) == ("https://pandaserver.cern.ch", "panda_token", "")
