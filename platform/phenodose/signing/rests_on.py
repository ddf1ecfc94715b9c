"""What a report rests on, by name and hash: raw inputs, plates, tensors, networks, plugins, settings, other samples.

Belongs here: gathering it from a screen's tables. Does not belong here: the bytes that a signed report keeps
(`snapshot`; the record has the hash of each file), and comparing (`differences`).
"""

from __future__ import annotations

import json
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

import phenodose
from phenodose.io.frames import rows_of
from phenodose.io.places import folders, read_bytes
from phenodose.settings.site import SITE_NAME
from phenodose.signing.snapshot import ancestors
from phenodose.store.signed import sha256

if TYPE_CHECKING:
    from phenodose.store.store import Store

#: Libraries that draw or write parts of a page.
_LIBRARIES = ("numpy", "pandas", "matplotlib", "pillow", "jinja2", "markupsafe", "scipy")


def rests_on(store: Store, screen: str, kept: Store) -> dict[str, Any]:
    """Everything that the report of a screen rests on, as plain values for JSON.

    Args:
        store: the store.
        screen: screen id.
        kept: what was kept of the store for the report (`snapshot.write_snapshot`).

    Returns:
        steps (by asset: plugin, version, parameters, phenodose, inputs with hashes, versions of what it was made from),
        plates (raw hash by plate), tensors and features (SHA-256 of the group's document, which holds the hash of every
        file), networks (weights and parents, by readout and phase), reference (screens behind the bars), settings
        (SHA-256 of site.toml), software (versions with which the page was drawn).
    """
    runs = kept.read_table("runs", screen).sort_values("asset")
    plates = kept.read_table("plates", screen).sort_values("plate")
    scores = kept.read_table("scores")
    groups = {
        folder.name.removesuffix(".zarr"): sha256(document)
        for folder in folders(store.screen_dir(screen) / "tensors")
        if (document := read_bytes(folder / "zarr.json")) is not None
    }
    site = read_bytes(kept.root / SITE_NAME)
    return {
        "steps": {str(run.asset): _step(run) for run in rows_of(runs)},
        "plates": dict(zip(plates["plate"], plates["raw_hash"], strict=True)),
        "tensors": groups,
        "networks": [
            {
                "name": f"{row.readout} {row.phase}",
                "weights": row.weights_hash,
                "trained_on": row.trained_on,
                "parent": row.parent_hash if isinstance(row.parent_hash, str) else None,
            }
            for row in rows_of(ancestors(kept, screen).sort_values(["readout", "phase", "screen"]))
        ],
        "reference": sorted(set(scores.loc[scores["screen"] != screen, "screen"])),
        "settings": {SITE_NAME: None if site is None else sha256(site)},
        "software": _software(),
    }


def _step(run: Any) -> dict[str, Any]:
    facts = {
        "plugin": run.plugin,
        "plugin_version": run.plugin_version,
        "parameters": _parsed(run.parameters),
        "phenodose_version": run.phenodose_version,
        "finished_at": run.finished_at.isoformat(),
        "inputs": _parsed(run.inputs),
        "made_from": _parsed(run.made_from),
        "version": run.version,
    }
    return {name: value for name, value in facts.items() if value is not None and value == value}


def _parsed(text: Any) -> Any:
    return json.loads(text) if isinstance(text, str) else None


def _software() -> dict[str, str]:
    found = {"phenodose": phenodose.__version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
