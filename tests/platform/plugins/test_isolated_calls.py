"""What the worker's side of a call finds wrong with a plugin, without the process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from phenodose.errors import PluginError
from phenodose.plugins import Scores, isolated_calls
from phenodose.plugins.isolated_calls import PluginCalls, Target, carried, carried_to_plugins
from phenodose.plugins.results import result_fault
from phenodose.plugins.scores_page import example_curve
from phenodose.sandbox.encoding import decode, encode

#: Bodies of `score`, and what is told of each; '' where it gives its result.
BODIES = {
    "sound": ("self, curves", "return curves.top", ""),
    "asks_for_more": (
        "self, curves, drug_library",
        "return curves.top",
        r"has the wrong signature: score\(curves, drug_library\) is called with \(CurveBatch\)",
    ),
    "changes": ("self, curves", "curves.top[:] = 0.5\nreturn curves.top", "changes its input: what `score` was given"),
    "random": ("self, curves", "return np.random.default_rng().random(len(curves))", "is not deterministic"),
    "raises": ("self, curves", "raise KeyError('dose')", r"raised KeyError: 'dose' \(of_raises.py, line "),
}


def module(name: str) -> str:
    arguments, body, _ = BODIES[name]
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return (
        f"import numpy as np\nfrom phenodose.plugins import Scorer\n\n\nclass It(Scorer):\n"
        f'    name, version, description = "{name}", "1", "A plugin of a test"\n\n'
        f"    def score({arguments}):\n{lines}"
    )


@pytest.mark.parametrize("name", BODIES)
def test_a_call_is_answered_or_its_fault_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"of_{name}.py").write_text(module(name))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)  # what loads a plugin goes elsewhere, and the test comes back
    monkeypatch.setattr(isolated_calls, "take_at_most", lambda memory_bytes: None)
    calls, curves = PluginCalls(), example_curve()
    target = Target("scorer", f"of_{name}:It", {}, 1 << 30, {}, {})
    assert calls(encode(target), lambda told: None) == b""
    request = encode(["score", [curves]], carried_to_plugins(), strict=True)
    told = BODIES[name][-1]
    if told:
        with pytest.raises(PluginError, match=told):
            calls(request, lambda told: None)
    else:
        answer = decode(calls(request, lambda told: None), carried()).value
        np.testing.assert_array_equal(answer, curves.top)


@pytest.mark.parametrize(("shape", "sound"), [((1,), True), ((1, 2), False), ((3,), False)])
def test_scores_are_one_a_curve(shape: tuple[int, ...], sound: bool) -> None:
    curves = example_curve()
    assert len(curves) == 1
    for scores in (np.zeros(shape), Scores(np.zeros(shape))):
        fault = result_fault("score", (curves,), scores, first=True)
        assert fault == "" if sound else fault.startswith(f"gave the wrong columns: `value` has the shape {shape}")
