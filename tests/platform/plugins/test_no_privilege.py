"""No module of the platform names a built-in plugin: what is special of one, it declares like anyone's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenodose.plugins import KINDS, StagedReadout, registry

ROOT = Path(__file__).parents[3]
PLACES = (ROOT / "platform" / "phenodose", ROOT / "assets" / "phenodose_assets")
#: Names that are English words too: they count where they stand alone or in backticks, not within a sentence.
WORDS = {"pattern", "shared", "zip", "css"}
#: Names that are also what arrays and columns are called: no grep can tell the one from the other.
FIELDS = {"features"}
#: Text that speaks of a plugin as an example.
EXAMPLE = re.compile(r"such as|for example|example:|, \.\.\.")

#: (file, name) -> why it may stand there.
ALLOWED = {
    **dict.fromkeys(
        (
            ("simulation/screen.py", "ctg"),
            ("simulation/settings_file.py", "imagexpress"),
            ("simulation/truth.py", "dss_asym"),
            ("simulation/comparison.py", "dss_asym"),
        ),
        "the simulator writes files as one microscope and one assay do, and the true value of one formula",
    ),
    **dict.fromkeys(
        tuple(("tables/time_courses.py", name) for name in ("gr_inf", "h_gr", "gr_max", "gr_aoc")),
        "columns of a curve at one time: the field's names of the quantities",
    ),
    ("plugins/parameter_models.py", "pattern"): "a keyword of JSON schema",
    ("screens/identity.py", "ctg"): "words in names of files that name no patient, the usual assay's among them",
    **dict.fromkeys(
        (("dose_response/half_doses.py", "abs_ic50"), ("dose_response/half_doses.py", "rel_ic50")),
        "columns of `phenodose fit`, which computes without plugins: the field's names of the quantities",
    ),
    **dict.fromkeys(
        (("screens/itrade.py", "itrade"), ("screens/itrade.py", "ctg")),
        "the published data set that is arranged as screens: its images have a reader, its Metabolic folder is ctg",
    ),
    **dict.fromkeys(
        (("cli/demo.py", "cnn_phase3"), ("cli/demo.py", "ctg"), ("cli/demo.py", "mean_of_stack")),
        "the columns of the demonstration, which is of the built-in plugins",
    ),
    **dict.fromkeys(
        (
            ("plates/plate.py", "mean_of_stack"),
            ("plates/well_writer.py", "mean_of_stack"),
            ("plates/external_plate.py", "mean_of_stack"),
            ("plates/virtual_plate.py", "mean_of_stack"),
        ),
        "an attribute of every plate, from which any readout can be made",
    ),
    **dict.fromkeys(
        tuple(("dose_response/score_functions.py", name) for name in ("dss1", "dss2", "dss3")),
        "kinds of the formula",
    ),
    ("plugins/reference_page.py", "dss_asym"): "the page of the built-in plugins, which shows how a parameter is set",
    **dict.fromkeys(
        tuple(("simulation/dose_matrices.py", name) for name in ("bliss", "hsa", "loewe")),
        "the simulator makes pairs whose true excess it knows: the names of its own surfaces",
    ),
    ("viewer/server.py", "css"): "the type of a file",
    ("assets/checkpoints.py", "shared"): "the folder of what screens share",
    ("external.py", "shared"): "the group of what screens share",
}


def built_in_names() -> set[str]:
    """Names of our own plugins, and of the readouts that staged ones give."""
    ours = [found for found in registry().report() if found.distribution.split(" ")[0] == "phenodose"]
    names = {found.name for found in ours} - FIELDS
    for found in ours:
        plugin = registry().get(found.kind, found.name)
        if issubclass(plugin, StagedReadout):
            names |= set(plugin.readout_names())
    return names


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and content of every text in the code, parts of f-strings included, docstrings not."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):  # an expression comes before what it holds
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(id(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def named(text: str, names: set[str]) -> set[str]:
    """The plugins that a text names."""
    sentence = set(re.findall(r"[A-Za-z0-9_]+", text)) & names
    found = {word for word in sentence if word not in WORDS or text.strip("/") == word or f"`{word}`" in text}
    return set() if found and EXAMPLE.search(text) else found


def test_no_module_of_the_platform_names_a_built_in_plugin() -> None:
    names = built_in_names()
    found = {
        (path.relative_to(place).as_posix(), name): line
        for place in PLACES
        for path in sorted(place.rglob("*.py"))
        for line, text in texts(path.read_text(encoding="utf-8"))
        for name in named(text, names)
    }
    told = [f"{file}:{line} names {name}" for (file, name), line in found.items() if (file, name) not in ALLOWED]
    assert not told, "\n".join(told)
    assert not set(ALLOWED) - set(found), "allowed, but not there any more"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('x = "ctg"', {"ctg"}),
        ('x = f"WHERE scorer = \'dss_asym\' AND {y}"', {"dss_asym"}),
        ('def f():\n    """The readout ctg."""\n', set()),
        ('help = "A readout, such as ctg."', set()),
        ('x = "spatial pattern of residuals"', set()),
        ('x = "use the reader `pattern`"', {"pattern"}),
        ('x = plate.mean_of_stack(1)', set()),
    ],
)  # fmt: skip
def test_the_search_sees_names_and_passes_over_words(source: str, expected: set[str]) -> None:
    names = {"ctg", "dss_asym", "pattern", "mean_of_stack"}
    assert {name for _, text in texts(source) for name in named(text, names)} == expected


def test_every_kind_has_a_built_in_plugin_to_look_for() -> None:
    kinds = {found.kind for found in registry().report() if found.distribution.startswith("phenodose ")}
    assert kinds == set(KINDS)
