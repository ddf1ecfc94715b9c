"""The conformance kit tried on an installed plugin, without a test file of its own: `phenodose plugins check`.

Belongs here: which suite is for which plugin, which rules are quick, and running them in a process of their own. Does
not belong here: the rules (the modules of the kinds).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any, Literal

from phenodose.plugins import (
    REFERENCE,
    ExcessMeasure,
    ImageReadout,
    Kind,
    MatrixMeasure,
    ObjectReadout,
    PlateReaderReadout,
    Plugin,
    Reader,
    ReferenceEmbedder,
    Registry,
    Scorer,
    StagedReadout,
    TensorReadout,
    registry,
)
from phenodose.settings.site import SiteSettings

#: Left out of a quick trial: rules that start processes, count operations on large data, or write many files.
_SLOW = ("process_of_its_own", "ten_thousand", "nothing_else_is_written", "within_the_budget", "other_curves")
#: What needs no raw folder; the rest of a reader's rules is tried on one that the user gives.
_WITHOUT_RAW = ("says_what_it_is", "default_and_a_meaning", "unknown_parameters", "be_pickled", "is_an_input_error")
#: What needs no training.
_WITHOUT_TRAINING = (*_WITHOUT_RAW[:-1], "declares_unit", "phases_are_declared")
#: After this a plugin is taken for endless; no measure of speed.
_SECONDS, _QUICK_SECONDS = 1800, 300


@dataclass(frozen=True)
class Tried:
    """One rule as it was tried.

    Attributes:
        rule: the rule's name, in words.
        outcome: 'kept', 'broken' or 'skipped'.
        message: which part of the contract is broken, with the smallest example; '' if it is kept.
    """

    rule: str
    outcome: Literal["kept", "broken", "skipped"]
    message: str = ""


def can_try() -> bool:
    """Whether pytest is installed, which runs the rules."""
    return util.find_spec("pytest") is not None


def try_plugin(
    kind: Kind,
    name: str,
    parameters: Mapping[str, Any],
    full: bool = False,
    raw: Path | None = None,
    plugins: Registry | None = None,
) -> list[Tried]:
    """Try an installed plugin on the rules of its kind, in a new Python process.

    Args:
        kind: reader, readout, scorer, measure or embedder.
        name: the plugin's name.
        parameters: what it is made with.
        full: all rules; else those that take few seconds.
        raw: a raw folder of the microscope; without one a reader is tried on few rules.
        plugins: where the plugin is found; None for everything that is installed.

    Raises:
        RuntimeError: the process ended without an answer.
    """
    order = {"kind": kind, "name": name, "parameters": dict(parameters), "full": full, "raw": raw and str(raw)}
    known = plugins or registry()
    site = SiteSettings(plugins=known.choices, plugin_limits=known.limits)
    order["site"] = site.model_dump(mode="json", exclude_unset=True)
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch).resolve()
        (place / "order.json").write_text(json.dumps(order), encoding="utf-8")
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}
        seconds = _SECONDS if full else _QUICK_SECONDS
        try:
            ended = subprocess.run(
                [sys.executable, "-m", "phenodose.testing.trial", str(place)],
                env=env | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return [Tried("it ends", "broken", f"the rules were not done after {seconds} s; look for an endless loop")]
        if not (place / "tried.json").exists():
            raise RuntimeError(f"the trial of {kind} {name!r} ended without an answer:\n{ended.stderr[-2000:]}")
        return [Tried(**one) for one in json.loads((place / "tried.json").read_text(encoding="utf-8"))]


def suite_of(plugin: type[Plugin]) -> str:
    """Name of the suite in `phenodose.testing` for a plugin."""
    if issubclass(plugin, Scorer):
        return "ScorerConformance"
    if issubclass(plugin, Reader):
        return "ReaderConformance"
    for base in (
        *(PlateReaderReadout, TensorReadout, ObjectReadout, ImageReadout, StagedReadout),
        *(ExcessMeasure, MatrixMeasure, ReferenceEmbedder),
    ):
        if issubclass(plugin, base):
            return f"{base.__name__}Conformance"
    return "EmbedderConformance"


def _wanted(plugin: type[Plugin], full: bool, raw: str | None) -> str:
    """Pytest's choice of rules, '' for all."""
    if issubclass(plugin, Reader) and raw is None:
        return " or ".join(_WITHOUT_RAW)
    if full:
        return ""
    if issubclass(plugin, StagedReadout):
        return " or ".join(_WITHOUT_TRAINING)
    return f"not ({' or '.join(_SLOW)})"


class _Listener:
    """Hears from pytest how each rule went."""

    def __init__(self) -> None:
        self.tried: dict[str, Tried] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        rule = report.nodeid.rsplit("::", 1)[-1].removeprefix("test_").replace("_", " ")
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash is not None else str(report.longrepr)[-1500:]
            self.tried[rule] = Tried(rule, "broken", message.removeprefix("phenodose.testing.rules.Broken: "))
        elif report.skipped:
            self.tried[rule] = Tried(rule, "skipped", str(report.longrepr))
        elif report.when == "call":
            self.tried.setdefault(rule, Tried(rule, "kept"))


#: The test file of a trial; what it is about stands in order.json beside it.
_FILE = """\
from pathlib import Path
from phenodose.testing.trial import suite_for
TestContract = suite_for(Path(__file__).parent)
"""


def _asked(place: Path) -> tuple[dict[str, Any], type[Plugin]]:
    """What `order.json` in `place` says, and the plugin that it names."""
    order: dict[str, Any] = json.loads((place / "order.json").read_text(encoding="utf-8"))
    site = SiteSettings.model_validate(order["site"])
    # This process works for that plugin alone.
    return order, registry(site.plugins, site.plugin_limits).imported(order["kind"], order["name"])


def suite_for(place: Path) -> type:
    """The suite for the plugin that `order.json` in `place` names."""
    order, plugin = _asked(place)
    base = getattr(import_module("phenodose.testing"), suite_of(plugin))
    parameters = order["parameters"]
    if REFERENCE in plugin.Parameters.model_fields and REFERENCE not in parameters:
        parameters = parameters | {REFERENCE: str(_made_up_reference(place))}
    raw = order["raw"]

    def make_raw(self: Any, folder: Path) -> None:
        import shutil

        shutil.copytree(raw, folder, dirs_exist_ok=True)

    own: dict[str, Any] = {"plugin": plugin, "parameters": parameters}
    return type("TestContract", (base,), own | ({"make_raw": make_raw} if raw else {}))


def _made_up_reference(place: Path) -> Path:
    """Reference samples for the drugs of the made-up curves."""
    path = place / "reference_samples.csv"
    rows = "".join(f"D{drug},{10 + drug % 7},{5 + drug % 3},{9 + drug % 5}\n" for drug in range(10_000))
    path.write_text(f"drug,s1,s2,s3\n{rows}", encoding="utf-8")
    return path


def _run(place: Path) -> None:
    import pytest

    order, plugin = _asked(place)
    chosen = _wanted(plugin, order["full"], order["raw"])
    (place / "test_trial.py").write_text(_FILE, encoding="utf-8")
    (place / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    listener = _Listener()
    options = ["-q", "-p", "no:cacheprovider", "--tb=short", f"--rootdir={place}", f"--basetemp={place / 'tmp'}"]
    pytest.main([*options, *(("-k", chosen) if chosen else ()), str(place / "test_trial.py")], plugins=[listener])
    tried = [asdict(one) for one in listener.tried.values()]
    if tried:
        (place / "tried.part").write_text(json.dumps(tried), encoding="utf-8")
        (place / "tried.part").replace(place / "tried.json")


if __name__ == "__main__":
    _run(Path(sys.argv[1]))
