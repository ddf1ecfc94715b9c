"""Controls without values: the whole plate rests on the few that are left."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.pipeline.viability import Normalisation, viability_of
from phenodose.screens.layout import read_layout


@pytest.mark.parametrize(("left", "told"), [(1, True), (2, False), (4, False)])
def test_a_plate_with_a_value_for_less_than_half_of_its_controls_is_told(tmp_path: Path, left: int, told: bool) -> None:
    rows = ["Plate,Row,Column,Sample,WellType,Treatment,Concentration,Readout"]
    rows += [f"P1,A,{at},S,neg,DMSO,,{1000 if at <= left else ''}" for at in range(1, 5)]
    rows += ["P1,B,1,S,pos,BzCl,,10", "P1,B,2,S,therapy,Drug,10,500"]
    (tmp_path / "layout.csv").write_text("\n".join(rows))
    layout = read_layout(tmp_path / "layout.csv")
    raw = layout.frame.rename(columns={"readout": "raw"})[["plate", "row", "column", "raw"]]
    notes = viability_of(raw, layout.frame, "ctg", Normalisation.of_readout(None), what="layout.csv").notes
    assert notes == ["sample S: of 4 negative control wells on plate P1 only 1 have a value."] * told
