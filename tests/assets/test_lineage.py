"""`phenodose why`: the chain behind a score, down to the files it was made from, and links that broke since."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.errors import InputError, StoreError
from phenodose.io.files import hash_file
from phenodose.lineage.trace import Link, why
from phenodose.store.store import Store


@pytest.fixture
def chain(ctg_run) -> Link:
    (found,) = why(ctg_run.store, "TST_V1_DS1", "Potent")
    return found


def _link(chain: Link, what: str) -> Link:
    return next(link for link in chain.every() if link.what.startswith(what))


def test_the_chain_tells_the_numbers_of_the_tables(chain: Link, ctg_run) -> None:
    scores = ctg_run.store.read_table("scores")
    row = scores[(scores["drug"] == "Potent") & (scores["scorer"] == "dss_asym") & (scores["replicate"] == "pooled")]
    assert chain.facts["score"] == row["score"].item()
    assert chain.facts["run"] == ctg_run.outcome.run_id
    curves = ctg_run.store.read_table("curves")
    mid = curves[(curves["drug"] == "Potent") & (curves["replicate"] == "pooled")]["log10_mid"].item()
    assert _link(chain, "curve").facts["log10_mid"] == mid


def test_it_ends_at_wells_controls_and_files(chain: Link, ctg_run) -> None:
    wells = _link(chain, "wells").rows
    assert [(w["concentration_nM"], w["replicate"]) for w in wells] == [
        (dose, replicate) for dose in (1.0, 10.0, 100.0, 1000.0, 10000.0) for replicate in (1, 2)
    ]
    controls = _link(chain, "controls").rows
    assert [(c["group"], c["control"]) for c in controls[:2]] == [("plate P1", "negative"), ("plate P1", "positive")]
    assert controls[0]["values"].startswith("B02 ")
    assert {(c["plate"], c["control"], c["n_wells"]) for c in _link(chain, "controls").rows} >= {("P1", "negative", 10)}
    files = _link(chain, "plate-reader files").facts
    folder = ctg_run.store.source_of("TST_V1_DS1") / "ctg"
    assert files == {path.name: hash_file(path) for path in folder.iterdir()}
    layout = _link(chain, "layout").facts
    assert layout["layout.csv"] == hash_file(ctg_run.store.source_of("TST_V1_DS1") / "layout.csv")


def test_one_replicate_has_its_own_wells(ctg_run) -> None:
    (chain,) = why(ctg_run.store, "TST_V1_DS1", "POTENT", replicate="2")
    assert {well["replicate"] for well in _link(chain, "wells").rows} == {2}


def test_nothing_is_doubted_after_a_run(chain: Link) -> None:
    assert [doubt for link in chain.every() for doubt in link.doubts] == []


def test_an_input_that_changed_since_is_told(ctg_run, tmp_path: Path) -> None:
    store = Store.open(shutil.copytree(ctg_run.store.root, tmp_path / "store"))
    part = ("viability", "TST_V1_DS1", "viability/ctg")
    rows = store.read_table(*part)
    store.write_table(*part, rows.assign(raw=rows["raw"] * 1.1))
    (chain,) = why(store, "TST_V1_DS1", "Potent")
    assert _link(chain, "curve").doubts == [
        "`viability/ctg` has changed since `curves/ctg` was made from it; materialize `curves/ctg` again."
    ]
    assert chain.doubts == []
    store.drop_table_part("curves", "TST_V1_DS1", "curves/ctg")
    (chain,) = why(store, "TST_V1_DS1", "Potent")
    assert "`curves/ctg` has changed" in chain.doubts[0]
    assert "its row is gone" in _link(chain, "curve").doubts[0]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"drug": "Nope"}, "Inert, Potent, Weak"),
        ({"drug": "Potent", "scorer": "nope"}, "dss_asym"),
        ({"drug": "Potent", "readout": "cnn_phase3"}, "there are: ctg"),
        ({"drug": "Potent", "replicate": "9"}, "1, 2, pooled"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(ctg_run, asked: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        why(ctg_run.store, "TST_V1_DS1", **asked)


def test_a_screen_without_scores_is_told(ctg_run) -> None:
    with pytest.raises(StoreError, match="screens with results: TST_V1_DS1"):
        why(ctg_run.store, "NOPE", "Potent")


def test_the_command_prints_the_chain_and_json_holds_it_whole(ctg_run, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["why", "TST_V1_DS1", "potent", "--store", str(ctg_run.store.root), *more])
        assert not ended.value.code
        return capsys.readouterr().out

    lines = run().splitlines()
    assert lines[0] == "dss_asym of Potent in TST by ctg, replicate pooled"
    assert any(line.strip().startswith("controls of ctg") for line in lines)
    assert max(map(len, lines)) <= 120
    (told,) = json.loads(run("--json"))
    assert told["made_from"][0]["what"] == "curve of ctg"
