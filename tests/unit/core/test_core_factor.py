import pytest

from harvester.core.core_factor import Factors, core_factor

FACTORS = {"managed": {"MCORE": 4, "Undefined": 3}, "Any": {"MCORE": 2}}


@pytest.mark.parametrize(
    ("configured", "job_type", "resource_type", "factor"),
    [
        (3, "managed", "SCORE", 3),
        (0, None, None, 1),
        ({}, "managed", "SCORE", 1),
        (FACTORS, "managed", "MCORE", 4),
        (FACTORS, "managed", "SCORE", 3),
        (FACTORS, "managed", None, 3),
        (FACTORS, "user", "MCORE", 2),
        (FACTORS, "user", "SCORE", 1),
        (FACTORS, None, None, 1),
        ({"Any": {"Undefined": 5}}, None, None, 5),
    ],
)
def test_the_most_particular_factor_counts(
    configured: Factors, job_type: str | None, resource_type: str | None, factor: int
):
    assert core_factor(configured, job_type, resource_type) == factor
