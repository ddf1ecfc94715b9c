// The plate: one mosaic, a grid of wells over it, and what is known of the well under the pointer.

import { coat, showLegend, tellApart } from "./colours.js";
import { answer, byId, dose, element, fill, rowLabel, showFacts, tell, wellName, wellPlace } from "./facts.js";
import { showLinks } from "./links.js";

/** Plates with more rows or columns than these have every second label, so that no two run into each other. */
const MOST_LABELS = 24;

export class PlateView {
  constructor(open, filter, brightness) {
    this.open = open;
    this.filter = filter;
    this.brightness = brightness;
    this.cells = new Map();
    this.focused = null;
    const grid = byId("grid");
    grid.addEventListener("mouseover", (event) => event.target.closest("button") && this.tell(event.target.closest("button").dataset.well));
    grid.addEventListener("mouseleave", () => this.focused && this.tell(this.focused));
    grid.addEventListener("focusin", (event) => event.target.dataset.well && this.#focusOn(event.target.dataset.well));
    grid.addEventListener("click", (event) => {
      const well = event.target.closest("button")?.dataset.well;
      if (well && this.plate.wells[well]?.imaged) this.open(well);
    });
    grid.addEventListener("keydown", (event) => this.#move(event));
    for (const id of ["colour-by", "readout"]) byId(id).addEventListener("change", () => this.colour());
    byId("mosaic-channel").addEventListener("change", () => this.#showMosaic());
  }

  show(plate, screen) {
    const before = byId("mosaic-channel").value;
    this.plate = plate;
    this.screen = screen;
    this.types = [...new Set(Object.values(plate.wells).map((well) => well.well_type).filter((type) => type && type !== "empty"))].sort();
    showChannels(plate, before);
    const readout = byId("readout").value, { readouts } = screen;
    fill(byId("readout"), readouts.map((name) => [name, name]), readouts.includes(readout) ? readout : readouts[0]);
    this.filter.show(plate);
    this.#makeGrid();
    this.#showMosaic();
    this.colour();
    this.mark();
    this.focus(Object.keys(plate.wells).includes(this.focused) ? this.focused : this.#imaged()[0], false);
  }

  #imaged() {
    return [...this.cells.keys()].filter((well) => this.plate.wells[well]?.imaged);
  }

  #showMosaic() {
    const channel = byId("mosaic-channel").value || 0;
    this.brightness.show(this.plate.channels[channel].name);
    const image = byId("mosaic"), name = this.plate.name;
    image.alt = `Mosaic of plate ${name}`;
    image.dataset.shown = "";
    image.onload = () => { image.dataset.shown = name; };
    image.onerror = () => answer(image.src).catch(tell);
    image.src = `plates/${encodeURIComponent(this.plate.name)}/mosaics/${channel}.png`;
  }

  /** Rows of cells for labels and wells. The mosaic lies in the same tracks (viewer.css), so nothing here has a size. */
  #makeGrid() {
    const { rows, columns, wells } = this.plate;
    const line = (cells) => {
      const made = element("div");
      made.setAttribute("role", "row");
      made.append(...cells);
      return made;
    };
    const label = (text, place, count, role) => {
      const made = element("span", count > MOST_LABELS && place % 2 ? "" : text, "label");
      made.setAttribute("role", role);
      made.setAttribute("aria-label", text);
      return made;
    };
    const corner = element("span", undefined, "label");
    corner.setAttribute("role", "columnheader");
    corner.setAttribute("aria-label", "row");
    const heads = Array.from({ length: columns }, (_, column) => label(String(column + 1), column, columns, "columnheader"));
    const made = [line([corner, ...heads])];
    this.cells.clear();
    for (let row = 0; row < rows; row++) {
      const cells = [label(rowLabel(row), row, rows, "rowheader")];
      for (let column = 0; column < columns; column++) {
        const well = wellName(row, column);
        const cell = element("button", undefined, wells[well]?.imaged ? "" : "absent");
        cell.dataset.well = well;
        cell.tabIndex = -1;
        cell.setAttribute("role", "gridcell");
        this.cells.set(well, cell);
        cells.push(cell);
      }
      made.push(line(cells));
    }
    const frame = byId("mosaic-frame");
    frame.style.setProperty("--columns", columns);
    frame.style.setProperty("--rows", rows);
    const grid = byId("grid");
    grid.setAttribute("aria-label", `Wells of plate ${this.plate.name}`);
    grid.replaceChildren(...made);
  }

  colour() {
    const mode = byId("colour-by").value, readout = byId("readout").value;
    byId("readout-label").hidden = mode !== "viability";
    for (const [well, cell] of this.cells) {
      const worn = coat(mode, this.plate.wells[well], readout, this.types);
      cell.classList.toggle("tinted", worn !== null);
      cell.style.setProperty("--tint", worn?.colour ?? "transparent");
      cell.replaceChildren(...(worn?.sign ? [element("span", worn.sign, "sign")] : []));
      cell.setAttribute("aria-label", this.#said(well, worn));
    }
    showLegend(byId("legend"), mode, readout, this.types);
    byId("apart").textContent = mode === "flags" ? tellApart(this.plate.wells) : "";
  }

  #said(well, worn) {
    const known = this.plate.wells[well];
    return [well, known?.treatment, dose(known?.dose_nM), worn?.said, !known?.imaged && "no image"].filter(Boolean).join(", ");
  }

  /** Darken the wells that the filter does not take. */
  mark() {
    for (const [well, cell] of this.cells) cell.classList.toggle("other", !this.filter.takes(this.plate.wells[well]));
    this.filter.refresh();
    this.filter.tell();
  }

  tell(well) {
    const known = this.plate.wells[well];
    byId("hovered").textContent = `Well ${well}`;
    showFacts(byId("hovered-facts"), known ?? {}, known?.imaged);
    showLinks(byId("hovered-links"), this.screen, known);
  }

  focus(well, really = true) {
    if (!this.cells.has(well)) return;
    this.#focusOn(well);
    if (really) this.cells.get(well).focus();
  }

  #focusOn(well) {
    if (this.cells.has(this.focused)) this.cells.get(this.focused).tabIndex = -1;
    this.focused = well;
    this.cells.get(well).tabIndex = 0;
    this.tell(well);
  }

  #move(event) {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!steps || !event.target.dataset.well) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = wellPlace(event.target.dataset.well);
    this.focus(wellName(row + steps[0], column + steps[1]));
  }
}

/** The channels of a plate to choose the mosaic's from; the one of before stays where there is one of its number. */
export function showChannels(plate, before) {
  const kept = before in plate.channels ? before : 0;
  fill(byId("mosaic-channel"), plate.channels.map((channel, at) => [at, channel.name]), kept);
  byId("mosaic-channel-label").hidden = plate.channels.length < 2;
}
