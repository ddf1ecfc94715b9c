"""A plugin of anyone that declares what a built-in one declares is treated like it, and a site has the last word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from phenodose.errors import InputError
from phenodose.plots.palette import CYCLE, readout_looks
from phenodose.plugins import (
    Embedder,
    Phase,
    PlateReaderReadout,
    Preferences,
    Reader,
    Scorer,
    StagedReadout,
    registry,
)
from phenodose.plugins.preferences import declaration_fault, declared_readouts, duplicate_phases
from phenodose.settings.plugin_preferences import PluginPreferences
from phenodose.settings.site import read_site
from phenodose_embedders.pca import PcaEmbedder
from phenodose_readouts.cnn import CnnReadout
from phenodose_readouts.ctg import CtgReadout
from phenodose_scorers.dss_asym import DssAsymScorer


class Theirs(PlateReaderReadout):
    """A readout of another distribution that declares nothing."""

    name = "theirs"
    folder = "theirs"


class First(Theirs):
    """One that wants to rank the drugs."""

    name = "first"
    precedence = 1
    colour = "#123456"


def built_in() -> Preferences:
    return Preferences.of(registry())


def with_readouts(site: PluginPreferences | None = None, **more: type[Any]) -> Preferences:
    return replace(
        built_in(),
        readouts=declared_readouts({**registry().usable("readout"), **more}),
        site=site or PluginPreferences(),
    )


def test_reports_call_a_readout_and_a_scorer_by_their_labels() -> None:
    known = with_readouts(labelled=type("Labelled", (Theirs,), {"label": "clicks a minute"}), theirs=Theirs)
    assert known.readout_label("labelled") == "clicks a minute"
    assert known.readout_label("labelled_corrected") == "clicks a minute, plate effects removed"
    assert known.readout_label("theirs") == "theirs", "without a label it is shown by its name"
    assert known.readout_label("gone") == "gone"
    assert known.readout_label("cnn_phase3") == "image, network (phase III)"
    assert (known.scorer_label("dss_asym"), known.scorer_label("gone")) == ("DSS", "gone")
    network = type("Labelled", (Network,), {"label": "pulse"})
    assert Preferences(declared_readouts({"pulse": network})).readout_label("pulse_one") == "pulse, one"


def test_a_label_is_one_short_line() -> None:
    for label in ("two\nlines", "x" * 41, 7):
        told = declaration_fault(type("Faulty", (Theirs,), {"label": label}))
        assert told == f"declares `label` as {label!r}; it is a text of one line and at most 40 signs, '' for none"


def test_the_built_in_plugins_stand_in_the_order_of_the_paper() -> None:
    names = ["spheroid_area", "ctg", "mean_of_stack", "unknown", "cnn_phase2", "cnn_phase3"]
    assert built_in().ordered_readouts(names) == [
        *("cnn_phase3", "cnn_phase2", "mean_of_stack", "ctg", "spheroid_area", "unknown")
    ]
    assert built_in().default_scorer() == "dss_asym"
    assert built_in().measuring_embedders() == ["pca", "shared"]
    assert built_in().ordered_embedders() == ["tsne", "pca", "shared", "umap"]
    assert built_in().metabolic_readouts() == ["ctg"]
    assert built_in().half_effect_scorers() == ["rel_ic50", "abs_ic50"]
    assert built_in().label_range("cnn_phase2") == (0.2, 0.8)
    assert built_in().label_range("ctg") is None
    assert built_in().scale_error("ctg") is None
    assert built_in().scale_error("cnn_phase2_corrected") == built_in().scale_error("cnn_phase2") == (0.06, 0.14, 0.1)
    assert list(built_in().comparing_scorers().items()) == [
        *(("sdss_asym", "dss_asym"), ("sdss_asym_adj", "dss_asym_adj"), ("zdss", None), ("rdss", None))
    ]


def test_a_readout_of_anyone_ranks_first_by_its_declaration() -> None:
    known = with_readouts(theirs=Theirs, first=First)
    assert known.ordered_readouts(["theirs", "ctg", "cnn_phase3", "first"]) == ["first", "cnn_phase3", "ctg", "theirs"]
    assert known.metabolic_readouts() == ["ctg", "first", "theirs"]


def test_a_readout_that_declares_the_same_stands_beside_the_built_in_one_by_name() -> None:
    class Same(Theirs):
        precedence = CtgReadout.precedence

    assert with_readouts(a=Same, z=Same).ordered_readouts(["ctg", "a", "z"]) == ["a", "ctg", "z"]


def test_a_site_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(
        "[preferences]\n"
        'readouts = ["theirs", "ctg"]\nscorers = ["dss2"]\nembedders = ["shared"]\ncolours = { ctg = "#000001" }\n'
    )
    known = with_readouts(read_site(tmp_path).preferences, theirs=Theirs, first=First)
    assert known.ordered_readouts(["first", "cnn_phase3", "ctg", "theirs"]) == ["theirs", "ctg", "first", "cnn_phase3"]
    assert known.default_scorer() == "dss2"
    assert known.measuring_embedders() == ["shared", "pca"]
    assert known.colours()["ctg"] == "#000001"
    assert known.colours()["mean_of_stack"] == "#009E73"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[preferences]\ncolours = { ctg = "red" }\n', "preferences.colours.ctg: 'red' is no colour"),
        ("[preferences]\nreadout = []\n", "known are readouts, scorers, measures, embedders, colours"),
    ],
)
def test_faulty_preferences_are_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "site.toml").write_text(content)
    with pytest.raises(InputError, match=message):
        read_site(tmp_path)


# --- colours ----------------------------------------------------------------------------------------


def test_a_declared_colour_is_taken_and_the_others_step_aside() -> None:
    looks = readout_looks(["ctg", "theirs", "first"], with_readouts(theirs=Theirs, first=First).colours())
    assert looks["ctg"].colour == CYCLE[3]
    assert looks["first"].colour == "#123456"
    assert looks["theirs"].colour not in {looks["ctg"].colour, looks["first"].colour}
    assert len({(look.marker, look.dashes) for look in looks.values()}) == 3


def test_two_readouts_of_one_colour_differ_in_their_marker() -> None:
    looks = readout_looks(["one", "other"], {"one": CYCLE[0], "other": CYCLE[0]})
    assert looks["one"].colour == looks["other"].colour
    assert looks["one"].marker != looks["other"].marker


def test_a_readout_looks_the_same_whatever_is_shown_beside_it() -> None:
    colours = with_readouts(first=First).colours()
    alone, among = readout_looks(["first"], colours), readout_looks(["ctg", "first", "mean_of_stack"], colours)
    assert alone["first"] == among["first"]


# --- networks -----------------------------------------------------------------------------------------


def phase(name: str, parent: str | None = None, **more: Any) -> Phase:
    labels = more.pop("labels", "controls")
    return Phase(name, "screen", parent, labels, 1, True, "A phase.", **more)


class Network(StagedReadout):
    """A staged readout whose phases inherit what they do not declare."""

    name = "network"
    precedence = 5
    colour = "#ABCDEF"
    label_range: ClassVar[tuple[float, float] | None] = (0.1, 0.9)
    phases = (phase("one"), phase("two", "one", labels="duplicates", precedence=1, colour="#000000"))


def test_phases_inherit_what_they_do_not_declare() -> None:
    declared = declared_readouts({"network": Network})
    assert (declared["network_one"].precedence, declared["network_one"].colour) == (5, "#ABCDEF")
    assert (declared["network_two"].precedence, declared["network_two"].colour) == (1, "#000000")
    assert {one.label_range for one in declared.values()} == {(0.1, 0.9)}


def test_networks_before_and_after_duplicates_are_told_by_their_phases() -> None:
    assert duplicate_phases({"cnn": CnnReadout, "ctg": CtgReadout, "network": Network}) == [
        ("network_one", "network_two"),
        ("cnn_phase2", "cnn_phase3"),
    ]


# --- what cannot be used ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "declared", "message"),
    [
        (Scorer, {"precedence": "first"}, "declares `precedence` as 'first'; it is a whole number"),
        (Scorer, {"precedence": True}, "declares `precedence` as True"),
        (Scorer, {"summary_name": None}, "declares `summary_name` as None"),
        (Scorer, {"half_effect": "half"}, "declares `half_effect` as 'half'; it is 'relative', 'absolute' or None"),
        (Embedder, {"measures_distance": "yes"}, "declares `measures_distance` as 'yes'; it is True or False"),
        (Reader, {"remedy": None}, "declares `remedy` as None"),
        (
            PlateReaderReadout,
            {"colour": "blue"},
            "declares `colour` as 'blue'; it is a text such as '#0072B2'",
        ),
        (PlateReaderReadout, {"label_range": (0.8, 0.2)}, "declares `label_range` as (0.8, 0.2); it is a pair"),
        (PlateReaderReadout, {"label_range": 0.2}, "declares `label_range` as 0.2"),
        (StagedReadout, {"phases": (phase("one", colour="blue"),)}, "declares `colour` of one as 'blue'"),
        (StagedReadout, {"phases": (phase("one", precedence=1.5),)}, "declares `precedence` of one as 1.5"),
    ],
)
def test_a_declaration_that_cannot_be_used_is_told(base: type[Any], declared: dict[str, Any], message: str) -> None:
    plugin = type(
        "Wrong", (base,), {"name": "wrong", "version": "1", "description": "Wrong.", "phases": (), **declared}
    )
    assert message in declaration_fault(plugin)


@pytest.mark.parametrize("plugin", [Theirs, First, Network, CnnReadout, CtgReadout, DssAsymScorer, PcaEmbedder])
def test_what_can_be_used_is_no_fault(plugin: type[Any]) -> None:
    assert declaration_fault(plugin) == ""


def test_a_corrected_readout_follows_the_one_that_was_measured() -> None:
    known = built_in()
    assert known.ordered_readouts(["ctg", "ctg_corrected", "cnn_phase3"]) == ["cnn_phase3", "ctg", "ctg_corrected"]
    first = replace(known, site=PluginPreferences(readouts=("ctg",)))
    assert first.ordered_readouts(["ctg", "ctg_corrected", "cnn_phase3"]) == ["ctg", "ctg_corrected", "cnn_phase3"]
    chosen = replace(known, site=PluginPreferences(readouts=("ctg_corrected", "ctg")))
    assert chosen.ordered_readouts(["ctg", "ctg_corrected", "cnn_phase3"]) == ["ctg_corrected", "ctg", "cnn_phase3"]
