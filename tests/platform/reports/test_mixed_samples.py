"""A page that does not keep the samples of a screen apart says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from phenodose.reports.sections import mixed_samples


class _Data(SimpleNamespace):
    def __getitem__(self, name: str) -> pd.DataFrame:
        return cast("pd.DataFrame", vars(self)[name])


@pytest.mark.parametrize(
    ("samples", "told"), [(["S1", None], ""), ([], ""), (["S2", "S1", "S2"], "2 samples (S1, S2)")]
)
def test_several_samples_are_told(samples: list[str | None], told: str) -> None:
    scores = pd.DataFrame({"sample": pd.Series(samples, dtype=object)})
    said = mixed_samples(cast("Any", _Data(screen="TST_V1_DS1", scores=scores)))
    assert told in said
    assert bool(said) == bool(told)
