// The plate: one mosaic, a grid of wells over it, and what is known of the well under the pointer.

import { coat, showLegend } from "./colours.js";
import { answer, byId, element, fill, rowLabel, showFacts, tell, wellName, wellPlace } from "./facts.js";

const LABEL_PX = 22;

export class PlateView {
  constructor(open) {
    this.open = open;
    this.cells = new Map();
    this.focused = null;
    const grid = byId("grid");
    grid.addEventListener("mouseover", (event) => event.target.closest("button") && this.tell(event.target.closest("button").dataset.well));
    grid.addEventListener("focusin", (event) => event.target.dataset.well && this.#focusOn(event.target.dataset.well));
    grid.addEventListener("click", (event) => {
      const well = event.target.closest("button")?.dataset.well;
      if (well && this.plate.wells[well]?.imaged) this.open(well);
    });
    grid.addEventListener("keydown", (event) => this.#move(event));
    for (const id of ["colour-by", "readout"]) byId(id).addEventListener("change", () => this.colour());
    byId("mosaic-channel").addEventListener("change", () => this.#showMosaic());
    new ResizeObserver(() => this.#layOut()).observe(byId("plate-view"));
  }

  show(plate, readouts) {
    this.plate = plate;
    this.types = [...new Set(Object.values(plate.wells).map((well) => well.well_type).filter((type) => type && type !== "empty"))].sort();
    fill(byId("mosaic-channel"), plate.channels.map((channel, at) => [at, channel.name]), 0);
    byId("mosaic-channel-label").hidden = plate.channels.length < 2;
    const readout = byId("readout").value;
    fill(byId("readout"), readouts.map((name) => [name, name]), readouts.includes(readout) ? readout : readouts[0]);
    this.#makeGrid();
    this.#showMosaic();
    this.colour();
    this.#layOut();
    this.focus(Object.keys(plate.wells).includes(this.focused) ? this.focused : this.#imaged()[0], false);
  }

  #imaged() {
    return [...this.cells.keys()].filter((well) => this.plate.wells[well]?.imaged);
  }

  #showMosaic() {
    const channel = byId("mosaic-channel").value || 0;
    const image = byId("mosaic"), name = this.plate.name;
    image.alt = `Mosaic of plate ${name}`;
    image.dataset.shown = "";
    image.onload = () => { image.dataset.shown = name; };
    image.onerror = () => answer(image.src).catch(tell);
    image.src = `plates/${encodeURIComponent(this.plate.name)}/mosaics/${channel}.png`;
  }

  #makeGrid() {
    const { rows, columns, wells } = this.plate;
    const made = [element("span")];
    for (let column = 0; column < columns; column++) made.push(element("span", String(column + 1), "label"));
    this.cells.clear();
    for (let row = 0; row < rows; row++) {
      made.push(element("span", rowLabel(row), "label"));
      for (let column = 0; column < columns; column++) {
        const well = wellName(row, column);
        const cell = element("button", undefined, wells[well]?.imaged ? "" : "absent");
        cell.dataset.well = well;
        cell.tabIndex = -1;
        cell.setAttribute("role", "gridcell");
        cell.setAttribute("aria-label", `${well} ${wells[well]?.treatment ?? ""}${wells[well]?.imaged ? "" : ", no image"}`);
        this.cells.set(well, cell);
        made.push(cell);
      }
    }
    const grid = byId("grid");
    grid.style.gridTemplateColumns = `${LABEL_PX}px repeat(${columns}, 1fr)`;
    grid.style.gridTemplateRows = `${LABEL_PX}px repeat(${rows}, 1fr)`;
    grid.replaceChildren(...made);
  }

  #layOut() {
    const frame = byId("mosaic-frame"), room = frame.parentElement;
    if (!this.plate || !room.clientWidth) return;
    const { rows, columns } = this.plate;
    const height = room.clientHeight - byId("legend").offsetHeight - 40, width = room.clientWidth - 32;
    const tile = Math.max(6, Math.min((width - LABEL_PX) / columns, (height - LABEL_PX) / rows));
    frame.style.width = `${LABEL_PX + tile * columns}px`;
    frame.style.height = `${LABEL_PX + tile * rows}px`;
    const image = byId("mosaic");
    image.style.left = image.style.top = `${LABEL_PX}px`;
    image.style.width = `${tile * columns}px`;
    image.style.height = `${tile * rows}px`;
  }

  colour() {
    const mode = byId("colour-by").value, readout = byId("readout").value;
    byId("readout-label").hidden = mode !== "viability";
    for (const [well, cell] of this.cells) {
      const worn = coat(mode, this.plate.wells[well], readout, this.types);
      cell.classList.toggle("tinted", worn !== null);
      cell.style.setProperty("--tint", worn?.colour ?? "transparent");
      cell.replaceChildren(...(worn?.sign ? [element("span", worn.sign, "sign")] : []));
    }
    showLegend(byId("legend"), mode, readout, this.types);
  }

  tell(well) {
    const known = this.plate.wells[well];
    byId("hovered").textContent = `Well ${well}`;
    showFacts(byId("hovered-facts"), known ?? {}, known?.imaged);
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
