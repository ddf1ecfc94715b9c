// The page: which plate, well or drug is shown (they stand in the address after #), and the keys.

import { Brightness } from "./brightness.js";
import { answer, byId, byPlace, fill, tell } from "./facts.js";
import { Filter } from "./filter.js";
import { stripAddress } from "./links.js";
import { PlateView } from "./plate.js";
import { StripView } from "./strip.js";
import { WellView } from "./well.js";

const plates = new Map(); // name -> what the server says of it
let screen, now = {};

const wellView = new WellView();
const brightness = new Brightness();
const filter = new Filter(() => {
  if (!now.strip) plateView.mark();
  else if (filter.drug) goToStrip(filter.drug);
  else back();
});
const plateView = new PlateView((well) => go(now.plate, well), filter, brightness);

const plateOf = async (name) => {
  if (!plates.has(name)) plates.set(name, await (await answer(`plates/${encodeURIComponent(name)}/plate.json`)).json());
  return plates.get(name);
};
const stripView = new StripView((plate, well) => go(plate, well), plateOf, brightness);

function go(plate, well) {
  const place = new URLSearchParams(well ? { plate, well } : { plate });
  location.hash = String(place);
}

const goToStrip = (drug) => { location.hash = stripAddress(drug); };

/** The controls in the header that belong to a view. */
function showControls({ strip, well }) {
  const plateToo = ["readout-label", "dose-label", "kind-of-well-label"];
  for (const id of ["mosaic-channel-label", ...plateToo]) byId(id).hidden = true;
  for (const id of ["colour-by", "side-by-side", "filtered"]) (byId(id).closest("label") ?? byId(id)).hidden = Boolean(well || strip);
  byId("drug").closest("label").hidden = Boolean(well) || !Object.keys(screen.drugs).length;
  byId("plate-view").hidden = Boolean(well || strip);
  byId("strip-view").hidden = !strip;
  byId("well-view").hidden = !well;
}

async function follow() {
  const place = new URLSearchParams(location.hash.slice(1));
  const strip = place.get("strip") || null, name = place.get("plate") ?? ((strip && now.plate) || screen.plates[0]);
  const before = now, here = { plate: name, well: place.get("well"), strip };
  // From a well, Escape leads back to the strip that it was opened from.
  here.from = here.well ? before.strip ?? (before.well && before.from) : undefined;
  now = here;
  try {
    if (strip) await showStrip(strip, before);
    else {
      const plate = await plateOf(name);
      if (now === here) await showPlate(plate, before);
    }
    if (now === here) tell(null);
  } catch (error) {
    if (now === here) tell(error);
  }
}

async function showPlate(plate, before) {
  const { well } = now;
  byId("plate").value = plate.name;
  document.title = `${[well, plate.name, screen.screen].filter(Boolean).join(" – ")} – phenodose`;
  showControls(now);
  if (well) {
    setNeighbours(plate, well);
    await wellView.show(plate, well, screen);
    byId("stage").focus();
  } else {
    plateView.show(plate, screen);
    if (before.well) plateView.focus(before.well);
  }
}

async function showStrip(drug, before) {
  const here = now, readout = byId("readout").value, { readouts } = screen;
  fill(byId("readout"), readouts.map((name) => [name, name]), readouts.includes(readout) ? readout : readouts[0]);
  showControls(here);
  byId("readout-label").hidden = !readouts.length;
  document.title = `${drug} – ${screen.screen} – phenodose`;
  const first = await stripView.show(drug, screen, () => now === here);
  if (now !== here) return;
  filter.choose(drug);
  if (first) here.plate = byId("plate").value = first;
  if (before.well) stripView.focus(before.plate, before.well);
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

let leads = {};

function setNeighbours(plate, well) {
  leads = neighbours(plate, well);
  for (const [id, place] of Object.entries(leads)) {
    byId(id).disabled = !place;
    byId(id).title = place ? `${place.join(" ")}` : "none";
  }
}

const follows = (id) => leads[id] && go(...leads[id]);

const back = () => (now.well && now.from ? goToStrip(now.from) : go(now.plate));

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
  Escape: () => back(),
};

document.addEventListener("keydown", (event) => {
  const key = KEYS[event.key];
  const typed = event.target.matches("input, select");
  const anywhere = now.strip && event.key === "Escape";
  if (!(now.well || anywhere) || !key || event.ctrlKey || event.altKey || event.metaKey || (typed && event.key !== "Escape")) return;
  event.preventDefault();
  key(event);
});

for (const id of ["previous-well", "next-well", "previous-replicate", "next-replicate"]) {
  byId(id).addEventListener("click", () => follows(id));
}
for (const id of ["back", "strip-back"]) byId(id).addEventListener("click", back);
byId("side-by-side").addEventListener("click", () => goToStrip(filter.drug));
for (const id of ["readout", "mosaic-channel"]) {
  byId(id).addEventListener("change", () => { if (now.strip) follow(); });
}
byId("plate").addEventListener("change", () => go(byId("plate").value));
addEventListener("hashchange", follow);

try {
  screen = await (await answer("screen.json")).json();
  byId("screen").textContent = screen.screen;
  byId("stale").textContent = screen.stale.join(" ");
  byId("stale").hidden = !screen.stale.length;
  const names = [...screen.plates, ...Object.keys(screen.faults)];
  fill(byId("plate"), names.map((name) => [name, name in screen.faults ? `${name} (damaged)` : name]));
  filter.begin(screen);
  await follow();
} catch (error) {
  tell(error);
}
