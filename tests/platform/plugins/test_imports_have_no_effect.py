"""Importing our plugins and the code location changes nothing for anybody else in the process."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, os, sys, warnings
import dagster, numpy as np

def state():
    return {
        "finders": [repr(finder) for finder in sys.meta_path],
        "float errors": np.geterr(),
        "warnings": repr(warnings.filters),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }

before = state()
from phenodose.plugins import KINDS, registry
loaded = {kind: sorted(registry().usable(kind)) for kind in KINDS}
import phenodose_assets.definitions
after = state()
changed = {name: after[name] for name in before if before[name] != after[name]}
print(json.dumps({"loaded": loaded, "changed": changed, "engines": sorted({"keras", "tensorflow"} & set(sys.modules))}))
"""


def test_importing_every_plugin_and_the_code_location_leaves_no_trace() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert all(told["loaded"].values())
    assert told["changed"] == {}
    assert told["engines"] == []
