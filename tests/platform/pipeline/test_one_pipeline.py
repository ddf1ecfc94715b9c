"""The same layout through `phenodose score`, the asset graph and Python: the same numbers, notes and refusals."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

import phenodose
from phenodose.cli import main
from phenodose.errors import PhenodoseError
from phenodose.plugins import registry
from phenodose.screens.registration import register_screen
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_assets.run import Graph, materialize_screen

ROWS = "ABCDEFGHIJKLMNOP"
DOSES_NM = (1.0, 10.0, 100.0, 1000.0, 10000.0)
#: Drug -> dose of half effect.
DRUGS = {"Potent": 20.0, "Weak": 4000.0, "Inert": np.inf}
#: Concentration of an add-on -> what it leaves alive alone.
ADDED = {50: 0.8, 500: 0.5}
SCORERS = ("dss_asym", "auc", "rel_ic50")
SECOND = "alamar"
DRAWS = 8
NUMBERS = ["score", "lower", "upper"]


@dataclass
class Plate:
    """Wells and raw values of one plate."""

    name: str
    rng: np.random.Generator
    rows: list[dict[str, Any]] = field(default_factory=list)
    values: np.ndarray = field(default_factory=lambda: np.full((16, 24), 80.0))

    def well(self, row: int, column: int, viability: float, alive: float = 20000.0, **what: Any) -> None:
        """A well of cells that give `alive` when untreated."""
        self.values[row, column] = np.round(500 + alive * viability * self.rng.normal(1, 0.03))
        self.rows.append({"Plate": self.name, "Row": ROWS[row], "Column": column + 1, "Sample": "S", **what})

    def controls(self, sample: str = "S", row: int = 1, alive: float = 20000.0, killed: bool = True) -> None:
        for column in range(1, 9):
            self.well(row, column, 1.0, alive, Sample=sample, WellType="neg", Treatment="DMSO")
        for column in range(9, 15) if killed else ():
            self.well(row, column, 0.0, alive, Sample=sample, WellType="pos", Treatment="STS", Concentration=250)

    def drugs(
        self, sample: str = "S", row: int = 3, alive: float = 20000.0, factor: float = 1.0, column: int = 2, **what: Any
    ) -> None:
        first = column
        for place, (drug, half) in enumerate(DRUGS.items(), start=row):
            for column, dose in enumerate(DOSES_NM, start=first):
                viability = factor / (1 + dose / half)
                more = {"WellType": "therapy", "Treatment": drug, "Concentration": dose, **what}
                self.well(place, column, viability, alive, Sample=sample, **more)


def screen_of(folder: Path, plates: list[Plate], readouts: tuple[str, ...] = ("ctg",)) -> Path:
    """A raw screen folder of these plates; a second readout reads half of the first."""
    layout = pd.DataFrame([row for plate in plates for row in plate.rows])
    for number, readout in enumerate(readouts):
        (folder / readout).mkdir(parents=True)
        for plate in plates:
            table = pd.DataFrame(plate.values / (1 + number), index=list(ROWS), columns=range(1, 25))
            table.to_csv(folder / readout / f"S_{plate.name}.csv", index_label="")
    layout.to_csv(folder / "layout.csv", index=False)
    return folder


def two_plates(seed: int = 3) -> list[Plate]:
    plates = [Plate(f"P{number}", np.random.default_rng(seed + number)) for number in (1, 2)]
    for number, plate in enumerate(plates, start=1):
        plate.controls()
        plate.drugs(Replicate=number)
    return plates


def all_at_once(folder: Path) -> Path:
    """Two samples, an add-on in two concentrations with one of them, and a well without a reading.

    Sample B grows half as fast; on plate P2 it has no killed wells of its own.
    """
    plates = [Plate(f"P{number}", np.random.default_rng(number)) for number in (1, 2)]
    for number, plate in enumerate(plates, start=1):
        plate.controls("A")
        plate.drugs("A", Replicate=number)
        plate.controls("B", row=8, alive=10000, killed=number == 1)
        plate.drugs("B", row=10, alive=10000, Replicate=number)
        for block, (dose, alive) in enumerate(ADDED.items()):
            second = {"AddOn": "Partner", "AddOnConcentration": dose}
            for column in range(1 + 8 * block, 9 + 8 * block):
                plate.well(6, column, alive, Sample="A", WellType="neg", Treatment="DMSO", **second)
            plate.drugs("A", row=13, factor=alive, column=2 + 8 * block, Replicate=number, **second)
    plates[0].values[3, 3] = np.nan
    return screen_of(folder, plates)


def dose_matrix(folder: Path) -> Path:
    """Every dose of a drug with every dose of another, of which no control well holds one."""
    plate = Plate("P1", np.random.default_rng(7))
    plate.controls()
    plate.drugs()
    for row, first in enumerate(DOSES_NM, start=8):
        for column, second in enumerate(DOSES_NM, start=2):
            alive = 1 / (1 + first / DRUGS["Potent"]) / (1 + second / DRUGS["Weak"])
            what = {"WellType": "therapy", "Treatment": "Potent", "Concentration": first}
            plate.well(row, column, alive, **what, AddOn="Weak", AddOnConcentration=second)
    return screen_of(folder, [plate])


def no_killed_wells(folder: Path) -> Path:
    plates = two_plates()
    last = plates[1]
    last.rows = [row for row in last.rows if row["WellType"] != "pos"]
    return screen_of(folder, plates)


def a_sample_without_dmso(folder: Path) -> Path:
    plate = Plate("P1", np.random.default_rng(5))
    plate.controls("A")
    plate.drugs("A")
    plate.drugs("B", row=8)
    return screen_of(folder, [plate])


@dataclass
class Bench:
    """A store for the screens of all tests; its graph holds what they need, and is built once."""

    root: Path
    instance: dg.DagsterInstance
    n_screens: int = 0

    def __post_init__(self) -> None:
        self.store = Store.open(self.root / "store")
        self.store.root.mkdir()
        needed = {f"readout:{name}" for name in ("ctg", SECOND)} | {f"scorer:{name}" for name in SCORERS}
        needed.add("scorer:raises")
        every = (f"{kind}:{name}" for kind in ("readout", "scorer", "embedder") for name in registry().names(kind))
        disabled = json.dumps([one for one in every if one not in needed])
        (self.store.root / "site.toml").write_text(f"[plugins]\ndisable = {disabled}\n")
        self.graph = Graph(self.store)

    def next_screen(self) -> str:
        self.n_screens += 1
        return f"ONE_V{self.n_screens}_DS1"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Bench(tmp_path_factory.mktemp("bench"), instance)


@dataclass(frozen=True)
class Answers:
    """What the three faces say of one screen; an error where a face refuses."""

    command: tuple[int, pd.DataFrame | None, dict[str, Any], str]
    python: Any
    graph: Any
    store: Store
    screen: str
    matrices: dict[str, Path]

    def stored(self, table: str) -> pd.DataFrame:
        """What the graph has made."""
        return self.store.read_table(table, self.screen)


@pytest.fixture
def ask(tmp_path: Path, bench: Bench, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answers]:
    def asked(
        make: Callable[[Path], Path],
        readouts: tuple[str, ...] = ("ctg",),
        mask: bool = False,
        scorers: tuple[str, ...] = SCORERS,
        bench: Bench = bench,
    ) -> Answers:
        screen = bench.next_screen()
        folder = make(tmp_path / screen)
        named = {name: folder / name for name in readouts}
        # The command
        out = tmp_path / "scores.csv"
        words = [
            "score",
            "--layout",
            str(folder / "layout.csv"),
            "--out",
            str(out),
            "--per-replicate",
            "--json",
            "--draws",
            str(DRAWS),
        ]
        words += [word for name, path in named.items() for word in ("--readouts", f"{name}={path}")]
        words += [word for name in scorers for word in ("--scorer", name)]
        words += ["--mask-uncontrolled"] if mask else []
        matrices = {"combination_scores": tmp_path / "combinations.csv", "dose_pairs": tmp_path / "pairs.csv"}
        words += ["--combinations", str(matrices["combination_scores"]), "--dose-pairs", str(matrices["dose_pairs"])]
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        told = json.loads(said.out) if said.out else {}
        command = (int(ended.value.code or 0), pd.read_csv(out) if out.exists() else None, told, said.err)
        # Python
        python: Any
        try:
            options: dict[str, Any] = {"bootstrap": DRAWS} | ({"mask_uncontrolled": True} if mask else {})
            python = phenodose.score_layout(folder / "layout.csv", named, scorers, per_replicate=True, **options)
        except PhenodoseError as error:
            python = error
        # The graph
        register_screen(bench.store, folder)
        keys = [f"{kind}/{name}" for name in readouts for kind in ("viability", "curves")]
        select = ",".join(["layout", *keys, *(f"scores/{name}" for name in scorers)])
        parameters: dict[str, dict[str, Any]] = {"curves": {"bootstrap": DRAWS}}
        parameters |= {"viability": {"mask_uncontrolled": True}} if mask else {}
        how: dict[str, Any] = {"parameters": parameters, "instance": bench.instance, "graph": bench.graph}
        graph = materialize_screen(bench.store, screen, select=select, **how)
        return Answers(command, python, graph, bench.store, screen, matrices)

    return asked


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    keys = ["sample", "readout", "replicate", "drug", "scorer"]
    rows = table[[*keys, *NUMBERS, "bound", "hit", "status"]].astype({"replicate": str})
    return rows.assign(hit=rows["hit"].astype("boolean")).sort_values(keys).reset_index(drop=True)


def expect_the_same(answers: Answers) -> pd.DataFrame:
    code, by_command, told, _ = answers.command
    assert code == 0
    assert by_command is not None
    answers.graph.raise_if_failed()
    # A store keeps a row for a curve without any value, which says so; the command says it in its notes.
    stored = answers.stored("scores")
    by_graph = comparable(stored[stored["status"] != "failed: no well with a value."])
    by_python = comparable(answers.python.scores)
    pd.testing.assert_frame_equal(by_python, by_graph, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(comparable(by_command), by_graph, rtol=1e-12, check_dtype=False)
    assert told["notes"] == answers.python.notes
    assert set(answers.graph.notes) == set(answers.python.notes)
    expect_the_same_quality_and_matrices(answers)
    return by_graph.set_index(["sample", "readout", "replicate", "drug", "scorer"])


def expect_the_same_quality_and_matrices(answers: Answers) -> None:
    figures = ["sample", "readout", "plate", "metric"]
    of_graph = answers.stored("qc").set_index(figures)["value"].sort_index()
    of_python = answers.python.qc.set_index(figures)["value"].sort_index()
    pd.testing.assert_series_equal(of_python, of_graph, check_exact=True, check_index_type=False)
    # The dose matrices of the store, of the files of the command and of Python.
    for table, path in answers.matrices.items():
        by_python = getattr(answers.python, table)
        stored = answers.stored(table)[list(by_python.columns)]
        keys = [name for name in TABLES[table].key if name != "screen"]
        by_command, by_python, by_graph = (
            rows.sort_values(keys).reset_index(drop=True) for rows in (pd.read_csv(path), by_python, stored)
        )
        pd.testing.assert_frame_equal(by_python, by_graph, check_exact=True, check_dtype=False)
        if len(by_graph):
            pd.testing.assert_frame_equal(by_command, by_graph, rtol=1e-12, check_dtype=False)


def test_every_face_gives_the_same_and_a_sample_is_measured_by_its_own_untreated_cells(ask):
    answers = ask(all_at_once)
    everything = expect_the_same(answers)
    potent = everything.xs(("ctg", "pooled", "Potent", "dss_asym"), level=("readout", "replicate", "drug", "scorer"))
    assert (potent["score"] > 15).all()
    found = everything["score"].xs(("ctg", "pooled"), level=("readout", "replicate"))
    # Relative to the add-on alone in the same concentration the drugs do what they do without it.
    for dose in ADDED:
        assert all(abs(found["A", f"{drug} + Partner {dose} nM", "dcdss_asym"]) < 3 for drug in DRUGS)
    assert set(answers.stored("wells")["add_on_concentration_nM"].dropna()) == set(ADDED)
    effects = answers.stored("combination_effects")
    assert len(effects) == len(ADDED) * len(DRUGS) * len(DOSES_NM)
    assert effects["difference_percent"].abs().max() < 12
    # Two doses of the add-on with controls of their own, beside the drug alone, are a dose matrix as well.
    pairs = answers.stored("dose_pairs")
    bliss = pairs[pairs["model"] == "bliss"]
    assert set(zip(bliss["drug"], bliss["add_on"], strict=True)) == {(drug, "Partner") for drug in DRUGS}
    assert len(bliss) == len(effects)
    assert bliss["excess_percent"].abs().median() < 5
    assert min(found["A", "Potent", "dss_asym"], found["B", "Potent", "dss_asym"]) > 15
    for drug in DRUGS:
        # The same effect, though B gives half the signal: by the other sample's DMSO all its wells were half dead.
        assert abs(found["A", drug, "dss_asym"] - found["B", drug, "dss_asym"]) < 3
    # Killed cells it borrows, with a note.
    borrowed = [note for note in answers.graph.notes if "stand for viability 0" in note]
    assert borrowed == [
        "readout ctg, sample B: plate P2 holds no positive control of this sample; those of A on the same plate stand "
        "for viability 0."
    ]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (no_killed_wells, "sample S: plate P2 has no positive control with a value (15 drug wells)"),
        (a_sample_without_dmso, "sample B: the layout has no negative controls (viability 1): no well is 'neg'"),
    ],
)
def test_every_face_refuses_drug_wells_without_controls_in_the_same_words(ask, make, sentence):
    answers = ask(make)
    code, scores, _, err = answers.command
    assert code == 2
    assert scores is None
    assert sentence in err
    assert sentence in str(answers.python)
    with pytest.raises(PhenodoseError, match="viability/ctg") as refused:
        answers.graph.raise_if_failed()
    assert sentence in str(refused.value)
    assert answers.stored("scores").empty


def test_wells_without_controls_are_left_out_by_every_face_if_that_is_wanted(ask):
    answers = ask(no_killed_wells, mask=True)
    expect_the_same(answers)
    assert any("15 therapy wells left out: plate P2 has no positive control" in note for note in answers.graph.notes)


@pytest.fixture(scope="module")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A plate-reader readout and a faulty scorer of other distributions, for the last tests of this file."""
    spec = importlib.util.spec_from_file_location(
        "broken", Path(__file__).parents[2] / "assets/broken_distributions.py"
    )
    assert spec is not None
    assert spec.loader is not None
    broken = importlib.util.module_from_spec(spec)
    sys.modules["broken"] = broken
    spec.loader.exec_module(broken)
    root = tmp_path_factory.mktemp("third_party")
    folder = root / "site-packages"
    folder.mkdir()
    declared = f'name, version, description, folder = "{SECOND}", "1", "Another assay", "{SECOND}"'
    module = f"from phenodose.plugins import PlateReaderReadout\n\n\nclass It(PlateReaderReadout):\n    {declared}\n"
    broken.install(folder, "assay-alamar", {SECOND: "readouts"}, module)
    broken.install(folder, "faulty-scorer", {"raises": "scorers"}, broken.FAULTY["raises"])
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.syspath_prepend(str(folder))
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        registry.cache_clear()
        yield Bench(root, instance)
    registry.cache_clear()


def test_two_readouts_give_the_same_and_a_faulty_scorer_costs_its_own_scores_told_in_the_same_words(ask, third_party):
    readouts = ("ctg", SECOND)
    answers = ask(
        lambda folder: screen_of(folder, two_plates(), readouts),
        readouts,
        scorers=("dss_asym", "auc", "raises"),
        bench=third_party,
    )
    code, scores, _, err = answers.command
    assert code == 2
    (fault,) = answers.python.faults
    assert "raises" in fault
    assert "two replicates are odd" in fault
    assert fault in err
    assert {asset: one.message for asset, one in answers.graph.failed.items()} == {"scores/raises": fault}
    by_graph = comparable(answers.stored("scores"))
    assert scores is not None
    assert set(by_graph["scorer"]) == {"dss_asym", "auc"}
    assert set(by_graph["readout"]) == set(readouts)
    pd.testing.assert_frame_equal(comparable(answers.python.scores), by_graph, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(comparable(scores), by_graph, rtol=1e-12, check_dtype=False)
    expect_the_same_quality_and_matrices(answers)
    keys = ["sample", "replicate", "drug", "scorer"]
    by_readout = by_graph.pivot_table(index=keys, columns="readout", values="score")
    # The second is half of the first: what the plate reader counts does not change a viability.
    assert (by_readout.sub(by_readout["ctg"], axis=0).abs().max() < 0.5).all()


def test_a_dose_matrix_is_scored_by_every_face_without_controls_of_the_second_drug(ask):
    answers = ask(dose_matrix)
    everything = expect_the_same(answers)
    drugs = set(everything.index.get_level_values("drug"))
    assert drugs == set(DRUGS)  # a dose of the matrix is no curve
    sums = answers.stored("combination_scores").set_index("measure")
    assert abs(sums.loc["bliss", "value"]) < 5
    assert sums.loc["bliss", "lower"] < sums.loc["bliss", "value"] < sums.loc["bliss", "upper"]
    assert sums.loc["bliss", "status"] == "ok"
    told = answers.command[2]["combinations"]
    assert {(one["drug"], one["add_on"]) for one in told} == {("Potent", "Weak")}
    note = "25 wells of dose matrices (Potent with Weak) are measured against cells without any drug"
    assert any(note in text for text in answers.graph.notes)
