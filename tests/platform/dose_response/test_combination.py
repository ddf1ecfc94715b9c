"""What an add-on changes: differences joined by name, with their intervals."""

from __future__ import annotations

import pandas as pd
import pytest

from phenodose.dose_response.combination import combination_differences

WELLS = pd.DataFrame(
    {
        "sample": "S",
        "well_type": ["therapy"] * 4 + ["neg", "neg"],
        "treatment": ["A", "A", "A + B", "C", "DMSO", "DMSO"],
        "add_on": [None, "T", "T", "T", None, "T"],
    }
)


def scores(*rows: tuple[str, float], scorer: str = "dss_asym", unit: str = "percent") -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["drug", "score"])
    return frame.assign(
        sample="S",
        readout="r",
        replicate="pooled",
        scorer=scorer,
        lower=frame["score"] - 3,
        upper=frame["score"] + 4,
        bound="=",
        unit=unit,
        hit=pd.array([True] * len(frame), dtype="boolean"),
        lower_bound="<",
        upper_bound="=",
        published_value=7.0,
        status=["ok" if known else "failed: no points" for known in frame["score"].notna()],
    )


def test_differences_are_joined_by_name_not_by_order() -> None:
    table = scores(("A + B + T", 30.0), ("A", 10.0), ("A + B", 5.0), ("A + T", 12.0))
    found = combination_differences(table.sample(frac=1, random_state=1), WELLS).set_index("drug")
    assert found["score"].to_dict() == {"A + T": 2.0, "A + B + T": 25.0}
    assert set(found["scorer"]) == {"dcdss_asym"}
    assert found["hit"].isna().all()
    assert found["published_value"].isna().all()
    assert set(found["lower_bound"]) == {"="}
    assert set(found["status"]) == {"ok"}
    # Two estimates with a lower side of 3 and an upper side of 4 each: both sides of the difference are 5.
    assert found.loc["A + T", ["lower", "upper"]].tolist() == [-3.0, 7.0]


def test_a_missing_partner_is_told() -> None:
    table = scores(("A", float("nan")), ("A + T", 12.0), ("C + T", 4.0))
    found = combination_differences(table, WELLS).set_index("drug")
    assert found["score"].isna().all()
    assert found["status"].to_dict() == {
        "A + T": "drug alone: failed: no points",
        "C + T": "the drug alone is not in the screen",
    }


def test_concentrations_have_no_difference_and_screens_without_add_on_no_rows() -> None:
    assert combination_differences(scores(("A", 1.0), ("A + T", 2.0), unit="nM"), WELLS).empty
    alone = WELLS.assign(add_on=None)
    result = combination_differences(scores(("A", 1.0), ("C", 2.0)), alone)
    assert result.empty
    assert list(result.columns) == list(scores(("A", 1.0)).columns)


@pytest.mark.parametrize("replicate", ["1", "pooled"])
def test_replicates_and_scorers_stay_apart(replicate: str) -> None:
    parts = [
        scores(("A", base), ("A + T", base + step), scorer=scorer).assign(replicate=name)
        for base, step, scorer, name in (
            (1, 2, "x", "1"),
            (5, 3, "x", "pooled"),
            (7, 4, "y", "1"),
            (9, 6, "y", "pooled"),
        )
    ]
    found = combination_differences(pd.concat(parts), WELLS).query("replicate == @replicate")
    expected = {"1": {"dcx": 2.0, "dcy": 4.0}, "pooled": {"dcx": 3.0, "dcy": 6.0}}[replicate]
    assert found.set_index("scorer")["score"].to_dict() == expected
