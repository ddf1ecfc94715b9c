"""A new plugin distribution that works from the first minute: `phenodose plugins new`.

Belongs here: filling the files of `templates/`. Does not belong here: the contract itself (the modules
beside this one) and its rules as tests (`phenodose.testing`).
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from phenodose.errors import InputError, PluginError
from phenodose.io.files import written_aside
from phenodose.plugins.base import contract_text
from phenodose.plugins.registry import Kind

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
#: The command that uses a new plugin of that kind.
_USE: dict[Kind, str] = {
    "scorer": "phenodose run SCREEN --select scores/@NAME@",
    "readout": "phenodose run SCREEN --select viability/@NAME@,curves/@NAME@",
    "reader": "phenodose ingest RAW_FOLDER PLATE.ome.zarr --reader @NAME@",
    "measure": "phenodose combine PAIRS.csv --out combinations.csv",
    "embedder": "phenodose run SCREEN --select embedding/@NAME@",
}


def plugin_name(text: str) -> str:
    """The plugin's name for what a person typed: hyphens become underscores.

    Raises:
        InputError: it can be no plugin's name.
    """
    name = text.replace("-", "_")
    if not _NAME.match(name):
        raise InputError(
            f"plugin name {text!r}: use lower-case letters, digits and single underscores or hyphens, such as mean_top."
        )
    return name


def new_plugin(text: str, kind: Kind, parent: Path) -> Path:
    """Write a complete distribution with one plugin, its tests and its instructions.

    Args:
        text: name of the plugin: lower-case words joined by underscores or hyphens.
        kind: what it is.
        parent: folder in which the distribution's folder is made.

    Returns:
        The distribution's folder.

    Raises:
        InputError: the name is no plugin name, or the folder is there already.
        PluginError: an installed distribution offers a plugin of that kind and name.
    """
    from phenodose.plugins.registry import registry

    name = plugin_name(text)
    for found in registry().report():
        if (found.kind, found.name) == (kind, name):
            raise PluginError(f"{kind} {name!r} is already installed ({found.distribution}); choose another name.")
    distribution = f"phenodose-{kind}-{name.replace('_', '-')}"
    folder = parent / distribution
    if folder.exists():
        raise InputError(f"{folder} is there already; choose another name or another folder.")
    contract = contract_text()
    words = {
        "@USE@": _USE[kind],
        "@DISTRIBUTION@": distribution,
        "@MODULE@": f"phenodose_{kind}_{name}",
        "@CLASS@": "".join(part.title() for part in name.split("_")) + kind.title(),
        "@CONTRACT@": contract if contract.isdecimal() else f'"{contract}"',
        "@KIND@": kind,
        "@NAME@": name,
    }
    files = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"{words['@MODULE@']}.py": f"{kind}.py.txt",
        f"tests/test_{name}.py": f"{kind}_test.py.txt",
    }
    templates = resources.files("phenodose.plugins") / "templates"
    with written_aside(folder) as aside:
        for path, template in files.items():
            content = (templates / template).read_text(encoding="utf-8")
            for sign, word in words.items():
                content = content.replace(sign, word)
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).write_text(content, encoding="utf-8")
    return folder


def next_steps(folder: Path, kind: Kind, name: str) -> list[str]:
    """The three commands that install, check and use a new plugin."""
    return [f"pip install -e {folder}", f"phenodose plugins check {name}", _USE[kind].replace("@NAME@", name)]
