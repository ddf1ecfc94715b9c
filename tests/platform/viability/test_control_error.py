"""The error of the controls' medians, and what it does to the intervals of every drug of a plate."""

import numpy as np
import pandas as pd
import pytest

from phenodose.pipeline.curves import CurveParameters, curves_of
from phenodose.viability.control_error import ControlError, control_error
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import to_viability

DOSES = np.tile(np.repeat(np.arange(5.0), 2), 12)


def plates(n_negative: int, n_plates: int = 1, scatter: float = 0.1, sample: str = "S") -> pd.DataFrame:
    """Twelve drugs without effect in duplicate on each plate, with a replicate a plate, and controls."""
    rng = np.random.default_rng(n_negative)
    parts = []
    for plate in range(1, n_plates + 1):
        drugs = pd.DataFrame(
            {
                "well_type": "therapy",
                "treatment": np.repeat([f"D{number:02}" for number in range(12)], 10),
                "concentration_nM": 10**DOSES,
                "raw": 1 + scatter * rng.standard_normal(120),
            }
        )
        controls = [
            pd.DataFrame({"well_type": kind, "treatment": kind, "raw": level + spread * rng.standard_normal(number)})
            for kind, level, spread, number in (("neg", 1.0, scatter, n_negative), ("pos", 0.0, scatter / 10, 8))
        ]
        every = pd.concat([drugs, *controls], ignore_index=True)
        place = np.arange(len(every))
        parts.append(every.assign(plate=str(plate), replicate=plate, row=[chr(65 + at // 24) for at in place],
                                  column=place % 24 + 1))  # fmt: skip
    wells = pd.concat(parts, ignore_index=True).assign(sample=sample, add_on=None)
    return wells.assign(well=wells["row"] + wells["column"].map("{:02d}".format))


def viability_of(wells: pd.DataFrame) -> pd.DataFrame:
    controls = choose_controls(wells, ("neg",), ("pos",), "test")
    return to_viability(wells[["plate", "row", "column", "raw"]], wells, controls).assign(readout="ctg")


def error_of(wells: pd.DataFrame) -> ControlError:
    return control_error(viability_of(wells), wells)


def test_it_is_the_standard_error_of_a_median():
    """Against medians of normal numbers drawn many times."""
    medians = np.median(np.random.default_rng(0).standard_normal((20_000, 16)), axis=1)
    error = error_of(plates(16, n_plates=8))
    assert len(error.living) == 8
    np.testing.assert_allclose(error.living, 0.1 * medians.std(), rtol=0.2)
    np.testing.assert_allclose(error.killed, 0.01 * 1.25 / np.sqrt(8), rtol=0.3)


def test_every_plate_and_sample_has_its_own_controls_and_their_number_counts():
    many, few = plates(32), plates(4).assign(plate="2", sample="T")
    both = pd.concat([many, few], ignore_index=True)
    parts = [viability_of(one) for one in (many, few)]
    error = control_error(pd.concat(parts, ignore_index=True), both)
    of_many, of_few = error.group[0], error.group[len(many)]
    assert of_many != of_few
    assert error.living[of_few] == pytest.approx(error.living[of_many] * np.sqrt(8), rel=0.15)


def test_a_combination_is_scaled_by_the_controls_with_its_add_on():
    plain, more = plates(16), plates(3).assign(add_on="B")
    more["row"] = more["row"].map(lambda row: chr(ord(row) + 8))
    more["well"] = more["row"] + more["column"].map("{:02d}".format)
    wells = pd.concat([plain, more[more["well_type"] != "pos"]], ignore_index=True)
    error = error_of(wells)
    assert error.living[error.group[len(plain)]] > 1.8 * error.living[error.group[0]]


@pytest.mark.parametrize("lone", ["no scatter", "single wells"])
def test_where_nothing_tells_it_there_is_none(lone: str):
    wells = plates(8, scatter=0.0) if lone == "no scatter" else plates(1)
    error = error_of(wells)
    assert not error.living.any()


def test_all_doses_of_a_drug_may_be_off_together_and_less_so_on_more_plates():
    """Of drugs without effect: the draws' mean inhibition scatters by the wells' and by the controls' error."""

    def spread(n_negative: int, n_plates: int, known: bool = True) -> float:
        wells = plates(n_negative, n_plates)
        viability = viability_of(wells)
        if not known:
            viability = viability.assign(control=None)
        curves = curves_of(viability, wells, "ctg", CurveParameters(bootstrap=200), per_replicate=False).batch
        level = curves.drawn(0, 200).inhibition_at(np.arange(5.0)).mean(axis=1)
        return float(np.median(level.reshape(len(curves), 200).std(axis=1)))

    exact, few = spread(4, 1, known=False), spread(4, 1)
    own = error_of(plates(4)).living[0]
    assert np.sqrt(few**2 - exact**2) == pytest.approx(own, rel=0.3)
    assert spread(4, 3) < 0.75 * few
