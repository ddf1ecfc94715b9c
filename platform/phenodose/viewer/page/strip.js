// The dilution strip: the wells of a drug by dose beside controls of the same plate, cut from the mosaics.

import { answer, byId, dose, element, showFacts, tell, wellPlace } from "./facts.js";
import { reportLink } from "./links.js";
import { showChannels } from "./plate.js";

export class StripView {
  /** `open(plate, well)` opens a well, `plateOf(name)` gives what the server says of a plate. */
  constructor(open, plateOf, brightness) {
    Object.assign(this, { open, plateOf, brightness });
    const strip = byId("strip");
    const told = (event) => {
      const cell = event.target.closest("[data-well]");
      if (cell) this.#tell(cell.dataset.plate, cell.dataset.well);
    };
    strip.addEventListener("mouseover", told);
    strip.addEventListener("focusin", told);
    strip.addEventListener("click", (event) => {
      const cell = event.target.closest("button[data-well]:not(.absent)");
      if (cell) this.open(cell.dataset.plate, cell.dataset.well);
    });
  }

  /** Show a drug; `wanted` says whether it still is when the answers are there. Gives the name of its first plate. */
  async show(drug, screen, wanted) {
    byId("strip-title").textContent = `Dilution strip of ${drug}`;
    for (const id of ["strip", "strip-report", "strip-facts"]) byId(id).replaceChildren();
    const found = await (await answer(`strip.json?${new URLSearchParams({ drug })}`)).json();
    const names = [...new Set(found.series.map((series) => series.plate))];
    const plates = new Map(await Promise.all(names.map(async (name) => [name, await this.plateOf(name)])));
    if (!wanted()) return undefined;
    this.plates = plates;
    this.readout = byId("readout").value;
    if (names.length) {
      const { channels } = plates.get(names[0]);
      showChannels(plates.get(names[0]), byId("mosaic-channel").value);
      this.channel = byId("mosaic-channel").value;
      this.brightness.show(channels[this.channel].name);
    }
    for (const name of names) this.#probe(name);
    byId("strip-report").replaceChildren(...(screen.report ? [reportLink(drug)] : []));
    const made = found.series.map((series) => this.#series(series, found.series));
    if (found.plates.length) made.push(element("p", `Also on ${found.plates.join(", ")}, of which no image is shown.`, "keys"));
    byId("strip").replaceChildren(...made);
    byId("strip").dataset.shown = drug;
    const first = byId("strip").querySelector("[data-well]");
    if (first) this.#tell(first.dataset.plate, first.dataset.well);
    return names[0];
  }

  #series(series, all) {
    const made = element("section");
    const several = new Set(all.map((each) => each.sample)).size > 1;
    const said = [`plate ${series.plate}`, series.replicate && `replicate ${series.replicate}`, several && series.sample];
    const added = series.with.map(({ name, dose_nM: nM }) => `with ${name} ${dose(nM)}`.trim());
    const row = element("div", undefined, "tiles");
    const { steps, plate } = series;
    // A readout's own controls; those of the layout stand beside every readout.
    const controls = series.controls.filter(({ readouts }) => !readouts.length || readouts.includes(this.readout));
    for (const { role, treatment, wells } of controls) {
      for (const well of wells) row.append(this.#tile(plate, well, treatment, `${role} control`, "control"));
    }
    for (const { dose_nM: nM, wells } of steps) {
      for (const well of wells) row.append(this.#tile(plate, well, dose(nM) || "dose not said", "", "step"));
    }
    const kinds = controls.map(({ role, treatment, wells, of }) => `${treatment}, ${role}, ${wells.length < of ? `the ${wells.length} nearest of ${of} wells` : "all its wells"}`);
    const note = kinds.length ? `Controls: ${kinds.join("; ")}.` : `No control well of ${this.readout || "the sample"} has an image on this plate.`;
    made.append(element("h3", [...said, ...added].filter(Boolean).join(", ")), row, element("p", note, "keys"));
    return made;
  }

  #tile(name, well, title, role, kind) {
    const plate = this.plates.get(name), known = plate.wells[well], value = known.viability?.[this.readout];
    const made = element("figure", undefined, kind), cell = element("button", undefined, known.imaged ? "" : "absent");
    Object.assign(cell.dataset, { plate: name, well });
    if (known.imaged) {
      // The plate's mosaic, scaled so that one well fills the tile and moved there: no size in pixels is known here.
      const picture = element("span", undefined, "cut"), [row, column] = wellPlace(well);
      picture.style.backgroundImage = `url("${this.#mosaic(name)}")`;
      picture.style.backgroundSize = `${100 * plate.columns}% ${100 * plate.rows}%`;
      picture.style.backgroundPosition = `${part(column, plate.columns)}% ${part(row, plate.rows)}%`;
      cell.append(picture);
    } else {
      cell.append(element("small", "no image"));
      cell.setAttribute("aria-disabled", "true");
    }
    const doubt = known.imaged && (known.flags?.length ? "!" : known.masked?.length ? "×" : "");
    if (doubt) cell.append(element("span", doubt, `sign ${doubt === "!" ? "flag" : "mask"}`));
    const said = value === undefined ? "" : `${(100 * value).toFixed(0)} %`;
    const words = [`${name} ${well}`, title, role, said && `viability ${said}`, doubt === "!" ? "flagged" : doubt && "left out", !known.imaged && "no image"];
    cell.setAttribute("aria-label", words.filter(Boolean).join(", "));
    const caption = element("figcaption");
    caption.append(element("b", title), ...[well, said].filter(Boolean).map((text) => element("span", text)));
    made.append(cell, caption);
    return made;
  }

  #mosaic(name) {
    return `plates/${encodeURIComponent(name)}/mosaics/${this.channel}.png`;
  }

  /** A picture behind a tile does not say why it is missing; the server does. */
  #probe(name) {
    const image = new Image();
    image.onerror = () => answer(image.src).catch(tell);
    image.src = this.#mosaic(name);
  }

  #tell(name, well) {
    byId("strip-well").textContent = `${name}, well ${well}`;
    showFacts(byId("strip-facts"), this.plates.get(name).wells[well]);
  }

  focus(plate, well) {
    byId("strip").querySelector(`[data-plate="${CSS.escape(plate)}"][data-well="${CSS.escape(well)}"]`)?.focus();
  }
}

const part = (place, count) => (count > 1 ? (100 * place) / (count - 1) : 0);
