"""screen.toml of a simulated screen.

Belongs here: what the user of a screen would write. Does not belong here: the truth (`truth`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.names import check_screen_id
from phenodose.simulation.channels import HOECHST, INPUTS, Channels
from phenodose.simulation.pharmacology import Drug

if TYPE_CHECKING:
    from phenodose.plugins import Registry

#: First line, by which a simulated screen is told from others.
MADE_HERE = "# Made by `phenodose simulate`; the truth is in truth_wells.csv and truth_drugs.csv."


def write_settings(
    path: Path,
    sample: str,
    kind: str,
    phase1: str | None,
    tensor_px: int,
    library: Sequence[Drug],
    channels: Channels,
    plugins: Registry | None,
) -> None:
    """Write screen.toml: the sample, what the networks are given, and what the drugs are.

    Args:
        path: the file.
        sample: name of the sample.
        kind: drug-screen or control-experiment.
        phase1: control experiment that the networks start from, if any.
        tensor_px: width and height of the networks' inputs.
        library: the drugs.
        channels: 'hoechst', or 'all', which are then the networks' inputs.
        plugins: where the parameters of a small network are found; None for everything that is installed.
    """
    import tomli_w

    settings: dict[str, Any] = {
        "sample": sample,
        "kind": kind,
        "entity": "simulated tumour",
        "reader": "imagexpress",
    }
    if phase1 is not None:
        settings["phase1"] = check_screen_id(phase1)
    settings["tensors"] = {"size_px": tensor_px}
    if channels == "all":
        settings["tensors"]["inputs"] = list(INPUTS)
        settings["channels"] = {"nuclei": HOECHST.name}
    networks = _small_networks(plugins)
    if networks:
        settings["parameters"] = networks
    if library:
        settings["drugs"] = {drug.name: {"class": drug.drug_class, "targets": list(drug.targets)} for drug in library}
    path.write_text(f"{MADE_HERE}\n{tomli_w.dumps(settings)}", encoding="utf-8")


def _small_networks(plugins: Registry | None) -> dict[str, dict[str, Any]]:
    """Parameters by staged readout with which it trains in seconds, by one word where it has a preset for that."""
    from phenodose.plugins import registry
    from phenodose.plugins.base import PRESET
    from phenodose.plugins.preferences import staged_readouts

    staged = staged_readouts((plugins or registry()).usable("readout"))
    offered = {
        name: {PRESET: "small"}
        if "small" in getattr(readout.Parameters, "presets", {})
        else dict(readout.small_parameters())
        for name, readout in staged.items()
    }
    return {name: parameters for name, parameters in offered.items() if parameters}
