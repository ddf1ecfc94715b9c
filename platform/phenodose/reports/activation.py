"""What the network looks at in the images of the patient report: which wells, which network, and the overlays.

The wells are those whose images the report shows. Class `pos`: what speaks for killed cells, which is little in
untreated wells and should grow along a series that works.

Belongs here: choosing, having the maps made, and turning them into what the template shows. Does not belong here: how
they are made (`phenodose.pipeline.activation_maps`).
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from phenodose.errors import NotMade, PhenodoseError, StoreError
from phenodose.io.frames import rows_of
from phenodose.pipeline.activation_maps import explain
from phenodose.pipeline.context import Networks, NetworksHere
from phenodose.plots import data_uri
from phenodose.reports.data import ScreenData
from phenodose.reports.image_choice import shown_wells
from phenodose.store.activation_maps import maps_folder, read_maps

if TYPE_CHECKING:
    from phenodose.store.store import Store

OF_CLASS = "pos"
METHOD: Literal["grad-cam"] = "grad-cam"
#: Longest side of a map; it is smooth, and is shown as large as its image.
SIZE_PX = 96
#: Width and height of the colour scale.
_SCALE_PX = (120, 12)


@dataclass(frozen=True)
class WantedMaps:
    """The maps that a report shows.

    Attributes:
        readout: staged readout.
        phase: its last phase that read out the wells.
        weights: hash of that network's weights.
        wells: names such as 'P1/B07'.
    """

    readout: str
    phase: str
    weights: str
    wells: list[str]


def wanted_maps(store: Store, screen: str) -> WantedMaps:
    """The maps for the images that the report of a screen shows.

    Raises:
        NotMade: no network read out the screen, or no well has an image.
        StoreError: the store holds no result of the screen, or its plates cannot be read.
    """
    data = ScreenData.load(store, screen)
    readout, phase, weights = _network(data)
    pages = [data.of_sample(sample) for sample in data.samples] or [data]
    return WantedMaps(
        readout, phase, weights, list(dict.fromkeys(well for page in pages for well in shown_wells(page)))
    )


def explain_report(store: Store, screen: str, networks: Networks | None = None) -> str:
    """Make the activation maps that the report of a screen shows, all in one go, unless they are there.

    Args:
        store: the store.
        screen: screen id.
        networks: where the network is asked; by default in this process.

    Returns:
        Why there are none, a sentence; '' if they are there.
    """
    try:
        wanted = wanted_maps(store, screen)
        asked = {"store": store.to_json(), "screen": screen, **asdict(wanted), "of_class": OF_CLASS, "method": METHOD}
        (networks or NetworksHere())(explain, asked)
    except PhenodoseError as error:
        return str(error)
    except ImportError as error:
        return f"the network's engine is not installed ({error})."
    except Exception as error:
        # A report without maps is better than none.
        logging.getLogger("phenodose_assets").exception("no activation maps")
        return f"they could not be made ({type(error).__name__}: {error})."
    return ""


def overlays(data: ScreenData, reason: str = "") -> dict[str, Any]:
    """Pictures of the maps in the store that the report can lay over its images.

    Args:
        data: the rows of the screen.
        reason: why no maps could be made, if that was tried.

    Returns:
        of: what was asked, in words; scale: picture of the colours; wells: picture and words by well such as 'P1/B07';
        reason: why there are none, a sentence, else ''.
    """
    import numpy as np

    from phenodose.plots.activation import activation_overlay

    none = {"of": "", "scale": "", "wells": {}, "reason": reason}
    try:
        readout, phase, weights = _network(data)
    except NotMade as error:
        return none | {"reason": reason or str(error)}
    folder = maps_folder(data.store, data.screen, readout, phase, OF_CLASS, METHOD)
    try:
        maps = read_maps(data.store, folder, {"checkpoint": weights})
    except StoreError as error:
        return none | {"reason": str(error)}
    if not maps:
        return none | {"reason": reason or f"the store holds none; `phenodose report {data.screen}` makes them."}
    wells = {}
    for well, one in maps.items():
        words = (
            f"nothing in {well} speaks for killed cells" if one.is_flat else f"what speaks for killed cells in {well}"
        )
        wells[well] = {"uri": data_uri(activation_overlay(one.activation, SIZE_PX)), "alt": words}
    ramp = np.tile(np.linspace(0, 1, _SCALE_PX[0], dtype=np.float32), (_SCALE_PX[1], 1))
    scale = data_uri(activation_overlay(ramp, _SCALE_PX[0]))
    return {"of": f"{readout} {phase}", "scale": scale, "wells": wells, "reason": ""}


def _network(data: ScreenData) -> tuple[str, str, str]:
    """Readout, phase and weights of the network that read out the screen, the preferred readout's.

    Raises:
        NotMade: none did.
    """
    viability = data["viability"]
    known = {row.weights_hash: row for row in rows_of(data["checkpoints"])}
    for name in data.readouts:
        weights = viability.loc[viability["readout"] == name, "checkpoint"].dropna()
        if len(weights) and weights.iloc[0] in known:
            row = known[weights.iloc[0]]
            return str(row.readout), str(row.phase), str(row.weights_hash)
    raise NotMade(f"no network has read out screen {data.screen}.")
