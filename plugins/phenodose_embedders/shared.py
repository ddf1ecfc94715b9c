"""The embedder `shared`: one map for all screens that started from the same phase I.

The maps of single screens cannot be compared: every screen has its own network and its own axes, which Berker et al.
2022 name as a limit. Here the network is the one of phase I, which the screens share, and the axes are the first two
principal components of the control experiment's control wells. A screen's place on the map depends on itself and the
control experiment alone, so it stays where it is when another screen comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from phenodose.errors import NotMade
from phenodose.plugins import Parameters, ReferenceEmbedder, WellFeatures

if TYPE_CHECKING:
    import numpy as np

#: Fewer control wells give no axes.
LEAST_CONTROLS = 4


class SharedParameters(Parameters):
    """How screens are laid over each other."""

    align: Literal["negative", "sphering", "none"] = Field(
        default="negative",
        description=(
            "negative: every screen is shifted so that the median of its negative controls lies where that of the "
            "control experiment lies, which takes differences of stain, light and sample out; sphering: every screen "
            "is also whitened by its own negative controls, so that what these differ in anyway counts less; "
            "none: no shift"
        ),
    )


class SharedEmbedder(ReferenceEmbedder):
    """Untreated cells of all screens in one place, and the way they die as a direction from there."""

    name: ClassVar[str] = "shared"
    label: ClassVar[str] = "map of all patients"
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "One map for all patients: features of the shared phase I on the axes of its controls"
    precedence: ClassVar[int] = 30
    measures_distance: ClassVar[bool] = True
    Parameters: ClassVar[type[Parameters]] = SharedParameters
    parameters: SharedParameters

    def embed_on(self, reference: WellFeatures, wells: WellFeatures) -> np.ndarray:
        """Place every well of a screen.

        Raises:
            NotMade: the control experiment has fewer than 4 control wells, these do not differ, or the screen has no
                negative control to shift it by.
        """
        import numpy as np
        from sklearn.decomposition import PCA

        controls = reference.features[reference.negative | reference.positive].astype(np.float64)
        if len(controls) < LEAST_CONTROLS or not (controls - controls[0]).any():
            raise NotMade(
                f"the control experiment gives no axes: it has {len(controls)} control wells with images, and "
                f"{LEAST_CONTROLS} that differ are the least."
            )
        features = wells.features.astype(np.float64)
        if self.parameters.align == "sphering":
            controls = _sphered(reference)[reference.negative | reference.positive]
            features = _sphered(wells)
        if self.parameters.align == "negative":
            if not wells.negative.any() or not reference.negative.any():
                raise NotMade(
                    "no negative control has an image to lay the screens over each other by; set align = 'none' under "
                    "[parameters.shared] in screen.toml."
                )
            here, there = features[wells.negative], reference.features[reference.negative].astype(np.float64)
            features = features - np.median(here, axis=0) + np.median(there, axis=0)
        return np.asarray(PCA(n_components=2, svd_solver="full").fit(controls).transform(features), dtype=np.float64)


def _sphered(wells: WellFeatures) -> np.ndarray:
    """The features as seen from the wells' own negative controls.

    Raises:
        NotMade: these are too few.
    """
    from phenodose.phenotypes.alignment import LEAST_NEGATIVE, sphered

    if wells.negative.sum() < LEAST_NEGATIVE:
        raise NotMade(
            f"{int(wells.negative.sum())} negative controls have an image, and sphering needs {LEAST_NEGATIVE}; set "
            "align = 'negative' or 'none' under [parameters.shared] in screen.toml."
        )
    return sphered(wells.features, wells.negative)
