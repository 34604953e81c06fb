"""Settings that could never lead to a verdict are refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from guard.config import VerifyConfig, load_config
from guard.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"evidence_limit": 3.0}, "nobody could become verified"),
        ({"verified_leave": 3.0}, "nobody could become verified"),
        ({"mismatch_enter": -6.0}, "no mismatch could be found"),
        ({"mismatch_leave": -3.0}, "no mismatch could be found"),
    ],
)
def test_thresholds_must_be_in_order(settings: dict[str, float], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        VerifyConfig.model_validate(settings)
    with pytest.raises(ConfigError, match=why):
        load_config(overrides={"verify": settings})
