"""Wells whose image is unlike all images that it could be like: contaminated, empty, out of focus.

Belongs here: the distance of a well's image from those that vouch for it. Does not belong here: the features that
distances are taken of (`image_features`, and a network's last layer) and the other doubts about a well (`wells`).

A drug may make cells look like nothing else on the plate, so being unlike the controls is no fault. What counts is
whether another well vouches for the image: its replicates, the neighbouring doses of its drug, or any well that is
vouched for itself. Controls are vouched for by the other controls of their kind. A fault stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from phenodose.names import add_on_keys
from phenodose.viability.controls import Controls

#: Part of the features' variance that the distances are taken in; the rest is noise.
_VARIANCE = 0.99
#: Fewer control wells of a kind say nothing about how far two like images lie apart.
LEAST_CONTROLS = 4
#: From so many others of the same content on the typical one vouches, else the nearest.
_MANY = 4
#: Robust SDs beyond which a control well does not count as noise.
_TRIM_SD = 3.0
#: How the sentence on a strange image begins.
STRANGE = "the image is strange"
_NOTHING = ("empty", "exclude")
_DOSED = ("therapy", "trc")


def image_distances(features: np.ndarray, wells: pd.DataFrame, controls: Controls, limit: float) -> np.ndarray:
    """How far every well's image lies from those that vouch for it.

    Distances are Mahalanobis distances in the principal components that hold 99 % of the variance; the covariance is
    that of the control wells around the median of their kind, outlying ones left out, shrunk as by Ledoit and Wolf
    (2004, doi 10.1016/S0047-259X(03)00096-4). The unit is the distance of a control well from the others of its kind,
    each left out in turn: the median over wells of the median over the others.

    Args:
        features: float array (well, feature) in the order of `wells`; rows of NaN where a well has no image.
        wells: the layout's wells: well_type, treatment, concentration_nM and, if there are any, sample and add_on.
        controls: from `choose_controls` on the same frame.
        limit: from this distance on nobody vouches.

    Returns:
        float64 array (well,): 1 is as far as two like controls; NaN without an image, for wells without cells, and
        for all where there are fewer than 4 imaged controls of either kind or these do not differ at all.
    """
    found = np.full(len(wells), np.nan)
    kind = wells["well_type"].astype(str).str.lower()
    usable = np.isfinite(features).all(axis=1) & ~kind.isin(_NOTHING).to_numpy()
    places = np.flatnonzero(usable)
    negative, positive = controls.negative[usable], controls.positive[usable]
    if min(int(negative.sum()), int(positive.sum())) < LEAST_CONTROLS:
        return found
    held = _content(wells.iloc[places], kind.iloc[places], negative, positive)
    whitened = _whitened(features[usable].astype(np.float64), held["control"].to_numpy())
    if whitened is None:
        return found
    between = np.sqrt(np.maximum(_squared_distances(whitened), 0.0))
    np.fill_diagonal(between, np.nan)
    own = _from_like(between, held)
    unit = float(np.median(own[negative | positive]))
    if not unit > 0:
        return found
    own, between = own / unit, between / unit
    vouched = own <= limit
    others = np.where(vouched[None, :], np.nan_to_num(between, nan=np.inf), np.inf)
    # Two have to agree, save for replicates: one of many may be alike by chance.
    nearest = np.partition(others, 1, axis=1)[:, 1]
    distance = np.minimum(own, nearest)
    found[places] = np.where(np.isfinite(distance), distance, np.nan)
    return found


def image_outliers(
    views: Mapping[str, np.ndarray], wells: pd.DataFrame, controls: Controls, limit: float
) -> tuple[np.ndarray, dict[int, str]]:
    """The distances of all wells, by the view in which each is strangest, and a sentence on those beyond the limit.

    Args:
        views: what the images are compared by, in words -> features as for `image_distances`.
        wells: as for `image_distances`.
        controls: as for `image_distances`.
        limit: distance from which an image is strange.

    Returns:
        float64 array (well,), and position of the well -> sentence.
    """
    if not views:
        return np.full(len(wells), np.nan), {}
    words = list(views)
    every = np.stack([image_distances(features, wells, controls, limit) for features in views.values()])
    distance = np.fmax.reduce(every, axis=0)
    reasons = {}
    for place in np.flatnonzero(distance > limit):
        view = words[int(np.nanargmax(every[:, place]))]
        reasons[int(place)] = (
            f"{STRANGE} by its {view}: {distance[place]:.1f} times as far from its replicates, neighbouring doses and "
            f"all other sound wells as two like controls from each other ({limit:g} is the limit)"
        )
    return distance, reasons


def _content(wells: pd.DataFrame, kind: pd.Series[str], negative: np.ndarray, positive: np.ndarray) -> pd.DataFrame:
    """What every well holds: control ('' for none), substance and dose; wells of like content share all three."""
    control = np.where(negative, "negative", np.where(positive, "positive", ""))

    def text(name: str) -> np.ndarray:
        if name not in wells:
            return np.full(len(wells), "", dtype=object)
        return wells[name].astype(object).where(wells[name].notna(), "").astype(str).to_numpy(dtype=object)

    add_on = add_on_keys(wells).to_numpy() if "add_on" in wells else text("add_on")
    names = zip(text("sample"), kind, text("treatment"), add_on, strict=True)
    substance = np.array(["\t".join(parts) for parts in names], dtype=object)
    is_control = control != ""
    # All controls of a kind are alike, whatever the layout calls them.
    substance[is_control] = control[is_control] + "\t" + add_on[is_control]
    dose = np.where(is_control, 0.0, wells["concentration_nM"].astype(float).fillna(0.0).to_numpy())
    return pd.DataFrame(
        {"control": control, "substance": substance, "dose": dose, "dosed": kind.isin(_DOSED).to_numpy()}
    )


def _whitened(features: np.ndarray, control: np.ndarray) -> np.ndarray | None:
    """The wells in coordinates in which the noise of like controls is 1 in every direction; None if there is none."""
    from sklearn.covariance import LedoitWolf
    from sklearn.decomposition import PCA

    centred = features - features.mean(axis=0)
    if not centred.any():
        return None
    components = PCA(n_components=_VARIANCE, svd_solver="full").fit_transform(centred)
    noise = np.concatenate(
        [rows - np.median(rows, axis=0) for rows in (components[control == one] for one in ("negative", "positive"))]
    )
    spread = 1.4826 * np.median(np.abs(noise), axis=0)
    used = spread > 0
    if used.any():
        size = np.linalg.norm(noise[:, used] / spread[used], axis=1)
        typical = np.median(size)
        noise = noise[size <= typical + _TRIM_SD * 1.4826 * np.median(np.abs(size - typical))]
    variance, directions = np.linalg.eigh(LedoitWolf(assume_centered=True).fit(noise).covariance_)
    if not variance.max() > 0:
        return None
    return np.asarray(components @ directions / np.sqrt(np.maximum(variance, 1e-12 * variance.max())))


def _squared_distances(points: np.ndarray) -> np.ndarray:
    squares = (points**2).sum(axis=1)
    return np.asarray(squares[:, None] + squares[None, :] - 2 * points @ points.T)


def _from_like(between: np.ndarray, held: pd.DataFrame) -> np.ndarray:
    """Distance of every well from the wells of its own content and, for drugs, of the neighbouring doses."""
    found = np.full(len(held), np.inf)
    dose, dosed = held["dose"].to_numpy(), held["dosed"].to_numpy() & (held["control"] == "").to_numpy()
    for rows in held.groupby("substance", sort=False).indices.values():
        members = np.asarray(rows, dtype=np.intp)
        doses = np.unique(dose[members])
        for well in members:
            same = members[(dose[members] == dose[well]) & (members != well)]
            if len(same) >= _MANY:
                found[well] = np.median(between[well, same])
            elif len(same):
                found[well] = between[well, same].min()
            if dosed[well]:
                place = int(np.searchsorted(doses, dose[well]))
                lower, upper = (
                    members[dose[members] == doses[n]] if 0 <= n < len(doses) else members[:0]
                    for n in (place - 1, place + 1)
                )
                found[well] = min(found[well], _from_neighbours(between, int(well), lower, upper))
    return found


def _from_neighbours(between: np.ndarray, well: int, lower: np.ndarray, upper: np.ndarray) -> float:
    """Distance of a well from the way that its drug's images go from the dose below to the dose above.

    That is the distance from the straight line between a well of either dose; of several lines more than half have to
    be near. At an end of the series it is that from the neighbours, of which two have to be near if there are two.
    """
    if not len(lower) or not len(upper):
        near = np.sort(between[well, np.concatenate([lower, upper])])
        return float(near[min(1, len(near) - 1)]) if len(near) else np.inf
    a, b = between[well, lower][:, None] ** 2, between[well, upper][None, :] ** 2
    line = np.maximum(between[np.ix_(lower, upper)] ** 2, np.finfo(float).tiny)
    along = np.clip((a - b + line) / (2 * line), 0.0, 1.0)
    squares = np.maximum(a - along * (a - b + line) + along**2 * line, 0.0)
    return float(np.sqrt(np.sort(squares, axis=None)[squares.size // 2]))
