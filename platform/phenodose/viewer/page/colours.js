// Colours of wells on the plate, told apart by colour-blind people; a sign stands beside each colour that is a class.

import { byPlace, element } from "./facts.js";

// viridis (S. van der Walt and N. Smith, 2015) at nine places
const VIRIDIS = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"];
// Okabe and Ito (2008)
const CLASSES = ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#0072b2", "#f0e442", "#8a8f98"];
const FLAG = "#e69f00", MASK = "#cc79a7";

const channels = (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));

export function viridis(part) {
  const place = Math.min(Math.max(part, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const from = channels(VIRIDIS[low]), to = channels(VIRIDIS[low + 1]);
  return `rgb(${from.map((value, at) => Math.round(value + (to[at] - value) * (place - low))).join(",")})`;
}

/** What a well's cell wears: {colour, sign, said} or null. Flags and masks mark images, so wells without wear none. */
export function coat(mode, well, readout, types) {
  if (!well) return null;
  if (mode === "viability") {
    const value = well.viability?.[readout];
    return value === undefined ? null : { colour: viridis(value), sign: "", said: `viability ${(100 * value).toFixed(0)} %` };
  }
  if (mode === "type" && types.includes(well.well_type)) {
    const at = types.indexOf(well.well_type);
    return { colour: CLASSES[at % CLASSES.length], sign: signOf(types, at), said: well.well_type };
  }
  if (mode !== "flags" || !well.imaged) return null;
  if (well.flags?.length) return { colour: FLAG, sign: "!", said: "flagged" };
  if (well.masked?.length) return { colour: MASK, sign: "×", said: "left out" };
  return null;
}

/** The wells that flags and masks do not mark because they have no image, in words; empty ones are counted only. */
export function tellApart(wells) {
  const apart = Object.entries(wells).filter(([, well]) => !well.imaged && (well.flags?.length || well.masked?.length));
  const held = (empty) => apart.filter(([, well]) => (well.well_type === "empty") === empty).map(([name]) => name).sort(byPlace);
  const filled = held(false), empty = held(true).length;
  const said = [filled.length && `${filled.length} that ${filled.length === 1 ? "holds" : "hold"} something (${filled.join(", ")})`, empty && `${empty} empty`].filter(Boolean);
  return said.length ? `Flagged or left out without an image, so not marked: ${said.join(" and ")}.` : "";
}

/** The shortest beginning of a type that no other type has, at most three letters. */
function signOf(types, at) {
  const name = types[at];
  for (let length = 1; length < 3; length++) {
    const sign = name.slice(0, length).toLowerCase();
    if (types.every((other, place) => place === at || other.slice(0, length).toLowerCase() !== sign)) return name.slice(0, length);
  }
  return name.slice(0, 3);
}

export function showLegend(place, mode, readout, types) {
  const entry = (colour, sign, text) => {
    const made = element("span");
    const patch = element("i", sign);
    patch.style.background = colour;
    made.append(patch, text);
    return made;
  };
  if (mode === "viability") {
    const bar = Object.assign(document.createElement("canvas"), { width: 160, height: 12 });
    const pen = bar.getContext("2d");
    for (let x = 0; x < bar.width; x++) {
      pen.fillStyle = viridis(x / (bar.width - 1));
      pen.fillRect(x, 0, 1, bar.height);
    }
    const made = element("span");
    made.append(`viability, ${readout ?? "no readout yet"}: 0 %`, bar, "100 %; lower and higher values have the colours of the ends");
    place.replaceChildren(made);
  } else if (mode === "type") {
    place.replaceChildren(...types.map((type, at) => entry(CLASSES[at % CLASSES.length], signOf(types, at), type)));
  } else if (mode === "flags") {
    place.replaceChildren(entry(FLAG, "!", "flagged: a doubt that changes no score"), entry(MASK, "×", "left out of curves and controls"));
  } else {
    place.replaceChildren();
  }
}
