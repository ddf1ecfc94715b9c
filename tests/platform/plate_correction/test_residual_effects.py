"""Effects of place from residuals: found on spoilt plates, none on good ones, and no drug's effect taken for one.

A screen has 40 drugs in 5 doses and duplicate on two plates, each series along a row: the doses stand in neighbouring
columns, which is the hard case for effects over the columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.points import curve_points
from phenodose.errors import InputError
from phenodose.names import row_label, well_name
from phenodose.pipeline.normalisation import Normalisation
from phenodose.pipeline.plate_correction import (
    CorrectedReadings,
    CorrectionParameters,
    corrected_readings,
    scaled_viability,
)
from phenodose.simulation.pharmacology import drug_library

N_ROWS, N_COLUMNS = 14, 22
CONTROLS = Normalisation(positive=("pos",))


@dataclass(frozen=True)
class Screen:
    wells: pd.DataFrame
    clean: np.ndarray

    def raw(self, factor: np.ndarray | float = 1.0, added: np.ndarray | float = 0.0) -> pd.DataFrame:
        value = 50_000 * self.clean * factor + 2_000 + 50_000 * np.asarray(added)
        return self.wells[["plate", "row", "column"]].assign(raw=value)

    @property
    def across(self) -> np.ndarray:
        return (self.wells["column"].to_numpy() - 2) / (N_COLUMNS - 1) * 2 - 1


def screen(seed: int = 0, n_drugs: int = 40, n_rows: int = N_ROWS) -> Screen:
    rng = np.random.default_rng([seed, 21])
    drugs = drug_library(n_drugs, seed)
    order = rng.permutation(len(drugs))
    rows = []
    for number in range(2):
        own = [drugs[i] for i in order[number::2]]
        blocks = [(row, first) for first in (0, 5, 12, 17) for row in range(n_rows)]
        for (row, first), (drug, replicate) in zip(blocks, [(d, r) for r in (1, 2) for d in own], strict=False):
            for step, dose in enumerate(drug.doses_nM):
                truth = float(drug.viability(dose))
                rows.append((number, row, first + step, "therapy", drug.name, dose, replicate, truth))
        for row in range(n_rows):
            rows.append((number, row, 10, "neg", "DMSO", 0.0, 1, 1.0))
            rows.append((number, row, 11, "pos", "BzCl", None, 1, 0.0))
    names = ["number", "r", "c", "well_type", "treatment", "concentration_nM", "replicate", "truth"]
    wells = pd.DataFrame(rows, columns=names)
    wells = wells.assign(
        plate=[f"P{n + 1}" for n in wells["number"]],
        row=[row_label(r + 1) for r in wells["r"]],
        column=wells["c"] + 2,
        sample="S",
        add_on=None,
        add_on_concentration_nM=np.nan,
    )
    wells["well"] = [well_name(row, column) for row, column in zip(wells["row"], wells["column"], strict=True)]
    noisy = wells["truth"].to_numpy() * (1 + 0.05 * rng.normal(size=len(wells))) + 0.01 * rng.normal(size=len(wells))
    return Screen(wells, noisy)


def corrected(one: Screen, raw: pd.DataFrame, **said: object) -> CorrectedReadings:
    parameters = CorrectionParameters.model_validate({"correction": "residuals", **said})
    return corrected_readings(raw, one.wells, CONTROLS, parameters, "a screen")


def small() -> Screen:
    """Where only what is done counts, and not how well."""
    return screen(n_drugs=14, n_rows=7)


def left(found: np.ndarray, known: np.ndarray | float, wells: pd.DataFrame) -> float:
    """What is left of an effect over the wells of each plate, apart from its level."""
    distance = pd.Series(found - known).groupby(wells["plate"].to_numpy()).transform(lambda one: one - one.median())
    return float(np.sqrt(np.mean(distance**2)))


@pytest.fixture(scope="module")
def gradient() -> tuple[Screen, pd.DataFrame, CorrectedReadings]:
    """A screen whose signal rises by 40 % over the columns, and what is made of it."""
    one = screen()
    raw = one.raw(factor=1 + 0.2 * one.across)
    return one, raw, corrected(one, raw)


Gradient = tuple[Screen, pd.DataFrame, CorrectedReadings]


def test_a_gradient_along_the_doses_is_found(gradient: Gradient) -> None:
    one, _, found = gradient
    assert found.effects.form == "gain"
    assert left(found.effects.effect, np.log1p(0.2 * one.across), one.wells) < 0.025
    assert any("gradient" in kind for kind in found.effects.kinds)
    assert "effects of place, in proportion to the signal, were taken off" in found.notes[0]


def test_a_good_plate_is_left_alone() -> None:
    one = screen(1)
    assert left(corrected(one, one.raw()).effects.effect, 0.0, one.wells) < 0.012


def test_a_background_that_rises_over_the_plate_is_added_not_multiplied() -> None:
    one = screen()
    found = corrected(one, one.raw(added=0.15 * one.across))
    assert found.effects.form == "offset"
    assert left(found.effects.effect, 0.15 * one.across, one.wells) < 0.03
    assert "added to the signal" in found.notes[0]


def test_one_spoilt_plate_does_not_change_the_other() -> None:
    one = screen()
    second = (one.wells["plate"] == "P2").to_numpy()
    outer = one.wells["r"].isin([0, N_ROWS - 1]).to_numpy() | one.wells["c"].isin([0, N_COLUMNS - 1]).to_numpy()
    known = np.where(second & outer, -0.3, 0.0)
    found = corrected(one, one.raw(factor=1 + known)).effects.effect
    assert left(found[second], np.log(1 + known[second]), one.wells[second]) < 0.05
    assert left(found[~second], 0.0, one.wells[~second]) < 0.025


def test_the_unit_of_the_readings_and_what_they_rise_with_change_nothing() -> None:
    one = small()
    raw = one.raw(factor=1 + 0.2 * one.across)
    plain, turned = (
        scaled_viability(corrected(one, given).raw, one.wells, CONTROLS)["viability_fraction"]
        for given in (raw, raw.assign(raw=7 - raw["raw"] / 300))
    )
    assert turned.to_numpy() == pytest.approx(plain.to_numpy(), abs=1e-6)


def test_scores_come_nearer_to_the_truth(gradient: Gradient) -> None:
    one, spoilt, found = gradient

    def error(raw: pd.DataFrame) -> float:
        curves = fit_curves(curve_points(scaled_viability(raw, one.wells, CONTROLS), one.wells, per_replicate=False))
        truth = {drug.name: drug for drug in drug_library(40, 0)}
        wanted = np.array(
            [
                truth[name].curve.inhibition(10**x)
                for name, x in zip(curves.keys["drug"], curves.log10_dose, strict=True)
            ]
        )
        return float(np.sqrt(np.mean((curves.inhibition_at(curves.log10_dose) - wanted) ** 2)))

    undisturbed = error(one.raw())
    assert error(spoilt) > 1.5 * undisturbed
    assert error(found.raw) < 1.2 * undisturbed


def test_no_method_changes_wells_that_were_not_read() -> None:
    one = small()
    raw = one.raw(factor=1 + 0.15 * one.across)
    raw.loc[5, "raw"] = np.nan
    for said in (
        {},
        {"correction": "b_score"},
        {"correction": "loess"},
        {"correction": "loess", "loess_of": "residuals"},
    ):
        found = corrected(one, raw, **said)
        assert found.raw["raw"].isna().tolist() == raw["raw"].isna().tolist()
        assert len(found.raw) == len(one.wells)


def test_a_b_score_of_plates_sorted_by_dose_is_told_to_take_effects_away() -> None:
    one = screen()
    notes = corrected(one, one.raw(), correction="b_score").notes
    assert any("it takes effects of drugs away" in note for note in notes)


def test_loess_of_untreated_wells_says_where_there_are_too_few() -> None:
    one = screen()
    few = (one.wells["plate"] == "P2").to_numpy() & (one.wells["well_type"] == "neg").to_numpy()
    raw = one.raw(factor=1 + 0.1 * one.across)
    raw.loc[np.flatnonzero(few)[5:], "raw"] = np.nan
    assert any("on plate P2; these are not corrected" in note for note in corrected(one, raw, correction="loess").notes)
    both = (one.wells["well_type"] == "neg").to_numpy() & (one.wells["r"] > 4).to_numpy()
    raw.loc[both, "raw"] = np.nan
    with pytest.raises(
        InputError, match=r'too few negative controls .* on plate P1, P2; take correction = "residuals"'
    ):
        corrected(one, raw, correction="loess")


def test_plates_that_are_looked_at_apart_are_corrected_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phenodose.plate_correction.residual_effects.MOST_PLATES", 1)
    one = screen()
    found = corrected(one, one.raw(factor=np.exp(0.2 * one.across)))
    assert left(found.effects.effect, 0.2 * one.across, one.wells) < 0.03
    assert all("of all plates" not in kind for kind in found.effects.kinds)
