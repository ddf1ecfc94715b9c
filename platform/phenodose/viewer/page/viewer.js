// The page: which plate and well are shown (they stand in the address after #), and the keys.

import { answer, byId, fill, tell } from "./facts.js";
import { PlateView } from "./plate.js";
import { WellView } from "./well.js";

const plates = new Map(); // name -> what the server says of it
let screen, now = {};

const wellView = new WellView();
const plateView = new PlateView((well) => go(now.plate, well));

const plateOf = async (name) => {
  if (!plates.has(name)) plates.set(name, await (await answer(`plates/${encodeURIComponent(name)}/plate.json`)).json());
  return plates.get(name);
};

function go(plate, well) {
  const place = new URLSearchParams(well ? { plate, well } : { plate });
  location.hash = String(place);
}

async function follow() {
  const place = new URLSearchParams(location.hash.slice(1));
  const name = place.get("plate") ?? screen.plates[0], well = place.get("well");
  const before = now;
  now = { plate: name, well };
  try {
    const plate = await plateOf(name);
    if (now.plate !== name || now.well !== well) return;
    byId("plate").value = name;
    byId("plate-view").hidden = Boolean(well);
    byId("well-view").hidden = !well;
    for (const id of ["mosaic-channel-label", "readout-label"]) byId(id).hidden = true;
    byId("colour-by").parentElement.hidden = Boolean(well);
    document.title = `${[well, name, screen.screen].filter(Boolean).join(" – ")} – phenodose`;
    if (well) {
      setNeighbours(plate, well);
      await wellView.show(plate, well);
      byId("stage").focus();
    } else {
      plateView.show(plate, screen.readouts);
      if (before.well) plateView.focus(before.well);
    }
    tell(null);
  } catch (error) {
    tell(error);
  }
}

/** Where each of the four buttons leads: [plate, well], or undefined. */
function neighbours(plate, well) {
  const imaged = Object.keys(plate.wells).filter((name) => plate.wells[name].imaged).sort(byPlace);
  const at = imaged.indexOf(well);
  const group = screen.replicates[plate.wells[well]?.replicates] ?? [];
  const here = group.findIndex(([where, which]) => where === plate.name && which === well);
  const around = (by) => group.length > 1 && here >= 0 ? group[(here + by + group.length) % group.length] : undefined;
  return {
    "previous-well": imaged[at - 1] && [plate.name, imaged[at - 1]],
    "next-well": at >= 0 && imaged[at + 1] ? [plate.name, imaged[at + 1]] : undefined,
    "previous-replicate": around(-1),
    "next-replicate": around(1),
  };
}

const byPlace = (one, other) => {
  const [rowOne, rowOther] = [one, other].map((well) => well.replace(/[0-9]+$/, ""));
  return rowOne.length - rowOther.length || (one < other ? -1 : one > other ? 1 : 0);
};

let leads = {};

function setNeighbours(plate, well) {
  leads = neighbours(plate, well);
  for (const [id, place] of Object.entries(leads)) {
    byId(id).disabled = !place;
    byId(id).title = place ? `${place.join(" ")}` : "none";
  }
}

const follows = (id) => leads[id] && go(...leads[id]);

const KEYS = {
  ArrowUp: () => wellView.step(1),
  ArrowDown: () => wellView.step(-1),
  ArrowLeft: (event) => follows(event.shiftKey ? "previous-replicate" : "previous-well"),
  ArrowRight: (event) => follows(event.shiftKey ? "next-replicate" : "next-well"),
  m: () => wellView.toggleMaximum(),
  "+": () => wellView.stage.zoom(1.25),
  "=": () => wellView.stage.zoom(1.25),
  "-": () => wellView.stage.zoom(0.8),
  0: () => wellView.stage.fit(),
  1: () => wellView.stage.oneToOne(),
  Escape: () => go(now.plate),
};

document.addEventListener("keydown", (event) => {
  const key = KEYS[event.key];
  const typed = event.target.matches("input, select");
  if (!now.well || !key || event.ctrlKey || event.altKey || event.metaKey || (typed && event.key !== "Escape")) return;
  event.preventDefault();
  key(event);
});

for (const id of ["previous-well", "next-well", "previous-replicate", "next-replicate"]) {
  byId(id).addEventListener("click", () => follows(id));
}
byId("back").addEventListener("click", () => go(now.plate));
byId("plate").addEventListener("change", () => go(byId("plate").value));
addEventListener("hashchange", follow);

try {
  screen = await (await answer("screen.json")).json();
  byId("screen").textContent = screen.screen;
  byId("stale").textContent = screen.stale.join(" ");
  byId("stale").hidden = !screen.stale.length;
  const names = [...screen.plates, ...Object.keys(screen.faults)];
  fill(byId("plate"), names.map((name) => [name, name in screen.faults ? `${name} (damaged)` : name]));
  await follow();
} catch (error) {
  tell(error);
}
