"""Which wells stand in a dilution strip, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from phenodose.errors import InputError
from phenodose.viewer.facts import curate_command
from phenodose.viewer.strips import drugs_of, strip


def well(kind: str, treatment: str | None, dose: float | None = None, **other: Any) -> dict[str, Any]:
    plain = {"sample": "S", "replicate": 1, "add_on": None, "add_on_dose_nM": None, "control": {}}
    return plain | {"well_type": kind, "treatment": treatment, "dose_nM": dose} | other


PLATE = {
    "C03": well("therapy", "A", 1000.0),
    "C04": well("therapy", "A", 10.0),
    "C05": well("therapy", "A", 10.0, replicate=2),
    "C06": well("therapy", "A", 10.0, add_on="B", add_on_dose_nM=5.0),
    "C07": well("therapy", "b", 10.0),
    "A01": well("neg", "DMSO", 0.0),
    "C01": well("neg", "DMSO", 0.0),
    "D03": well("neg", "DMSO", 0.0),
    "P24": well("neg", "DMSO", 0.0),
    "B03": well("neg", "DMSO", 0.0),
    "H03": well("pos", "STS", 100.0),
    "H04": well("pos", "STS", 100.0, sample="other"),
    "H05": well("empty", None),
}


def test_drugs_are_the_treatments_of_therapy_wells_with_their_doses() -> None:
    assert drugs_of({"P1": PLATE, "P2": {"C03": well("therapy", "A", 3.0)}}) == {
        "A": {"doses": [3.0, 10.0, 1000.0], "plates": {"P1": 4, "P2": 1}},
        "B": {"doses": [5.0], "plates": {"P1": 1}},
        "b": {"doses": [10.0], "plates": {"P1": 1}},
    }


def test_a_series_goes_from_the_lowest_dose_up_beside_the_nearest_controls_with_images() -> None:
    found = strip({"P10": {"C03": well("therapy", "A", 3.0)}, "P2": PLATE}, {"P2": set(PLATE) - {"B03"}}, "A")
    assert [(each["plate"], each["replicate"], each["with"]) for each in found] == [
        ("P2", 1, []),
        ("P2", 2, []),
        ("P10", 1, []),
        ("P2", 1, [{"name": "B", "dose_nM": 5.0}]),
    ]
    assert found[0]["steps"] == [{"dose_nM": 10.0, "wells": ["C04"]}, {"dose_nM": 1000.0, "wells": ["C03"]}]
    assert found[0]["controls"] == [
        {"role": "negative", "treatment": "DMSO", "readouts": [], "wells": ["D03", "C01", "A01"], "of": 4},
        {"role": "positive", "treatment": "STS", "readouts": [], "wells": ["H03"], "of": 1},
    ]
    assert found[2]["controls"] == [], "another plate's controls are not its own"


def test_controls_are_those_that_readouts_used_where_they_say_so() -> None:
    plate = PLATE | {
        "D03": well("neg", "DMSO", 0.0, control={"ctg": "negative", "area": "negative"}),
        "E03": well("BzCl", "BzCl", None, control={"ctg": "positive"}),
    }
    [first, *_] = strip({"P1": plate}, {"P1": set(plate)}, "A")
    assert [(each["role"], each["treatment"], each["readouts"], each["wells"]) for each in first["controls"]] == [
        ("negative", "DMSO", ["area", "ctg"], ["D03"]),
        ("positive", "BzCl", ["ctg"], ["E03"]),
    ]


def test_commands_that_decide_on_wells_are_for_a_shell() -> None:
    assert curate_command("S", "exclude", "P1", "B07") == 'phenodose curate S exclude P1/B07 --because "..."'
    assert curate_command("S", "restore", "left side", "B07") == (
        "phenodose curate S restore 'left side/B07' --because \"...\""
    )


def test_an_unknown_drug_is_told_with_the_nearest_name_or_all() -> None:
    facts = {"P1": {"C03": well("therapy", "Trametinib", 1.0)}}
    with pytest.raises(InputError, match=r"the drug 'Trametinb'; did you mean 'Trametinib'\?"):
        strip(facts, {}, "Trametinb")
    with pytest.raises(InputError, match=r"its drugs: Trametinib\."):
        strip(facts, {}, "xyz")
