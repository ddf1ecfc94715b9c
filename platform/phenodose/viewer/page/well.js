// The well: which picture is wanted, fetching it, and the controls beside it.

import { Channels } from "./channels.js";
import { answer, byId, fill, showFacts, tell } from "./facts.js";
import { showLinks } from "./links.js";
import { Planes, paint, quantile } from "./planes.js";
import { Stage } from "./stage.js";

const MAXIMUM = "maximum", STACK = "stack";

export class WellView {
  constructor() {
    this.planes = new Planes();
    this.stage = new Stage(() => this.#draw(), (x, y) => this.#point(x, y));
    this.channels = new Channels(byId("channels"), () => this.#draw(), (channel) => this.#automatic(channel));
    this.turn = 0;
    byId("z").addEventListener("input", () => { this.projected = false; this.#draw(); });
    byId("maximum").addEventListener("click", () => this.toggleMaximum());
    byId("fit").addEventListener("click", () => this.stage.fit());
    byId("full").addEventListener("click", () => this.stage.oneToOne());
    byId("zoom-in").addEventListener("click", () => this.stage.zoom(1.25));
    byId("zoom-out").addEventListener("click", () => this.stage.zoom(0.8));
    for (const id of ["site", "time", "kind"]) byId(id).addEventListener("change", () => { this.#setZ(); this.#draw(); });
  }

  async show(plate, well, screen) {
    const turn = ++this.turn;
    const folder = `plates/${encodeURIComponent(plate.name)}/wells/${encodeURIComponent(well)}`;
    const info = await (await answer(`${folder}/well.json`)).json();
    if (turn !== this.turn) return;
    if (this.plate !== plate) {
      this.channels.show(plate);
      const others = plate.kinds.filter((kind) => kind !== STACK);
      fill(byId("kind"), others.map((kind) => [kind, kind]), MAXIMUM);
      byId("kind-label").hidden = others.length < 2;
      fill(byId("site"), plate.sites.map((site) => [site, site]));
      byId("site").value = plate.site;
      byId("site-label").hidden = plate.sites.length < 2;
      fill(byId("time"), Array.from({ length: plate.times }, (_, time) => [time, time + 1]));
      byId("time").value = plate.time;
      byId("time-label").hidden = plate.times < 2;
      this.projected = false;
      this.z = undefined;
    }
    Object.assign(this, { plate, well, info, folder, shown: null });
    byId("well-title").textContent = `${plate.name}, well ${well}`;
    showFacts(byId("well-facts"), plate.wells[well]);
    showLinks(byId("well-links"), screen, plate.wells[well]);
    byId("napari").textContent = info.napari;
    byId("path").textContent = info.path;
    this.#setZ();
    const [height, width] = plate.levels[0];
    this.stage.begin(width, height, plate.pixel_size_um);
    byId("stage").dataset.shown = "";
    this.#draw();
  }

  toggleMaximum() {
    this.projected = !this.projected;
    this.#draw();
  }

  step(by) {
    const slider = byId("z");
    if (slider.disabled) return;
    this.projected = false;
    slider.value = Number(slider.value) + by;
    this.#draw();
  }

  /** Heights in um by plane of one image; undefined where the well has it not. */
  #image(kind, channel) {
    const [site, time] = [Number(byId("site").value), Number(byId("time").value)];
    return this.info.images.find((image) => image.kind === kind && image.site === site && image.time === time
      && image.channel === channel)?.heights_um;
  }

  /** Planes that any channel has, lowest first: places of the slider. */
  #setZ() {
    const there = this.plate.channels.flatMap((_, channel) => Object.keys(this.#image(STACK, channel) ?? {}).map(Number));
    this.places = [...new Set(there)].sort((one, other) => one - other);
    const slider = byId("z"), places = this.places;
    slider.disabled = places.length < 2;
    slider.max = Math.max(0, places.length - 1);
    const wanted = this.z === undefined ? -1 : places.indexOf(this.z);
    slider.value = wanted >= 0 ? wanted : Math.floor((places.length - 1) / 2);
    byId("maximum").disabled = !places.length;
  }

  /** The smallest level with at least as many pixels as the screen shows. */
  #level() {
    const enough = this.plate.levels.map(([, width], level) => [width, level]).filter(([width]) => width >= this.stage.shownWidth - 0.5);
    return enough.length ? enough.at(-1)[1] : 0;
  }

  #path(kind, level, channel, z) {
    return `${this.folder}/${kind}/${level}/${byId("site").value}/${byId("time").value}/${channel}/${z}`;
  }

  async #draw() {
    if (!this.info) return;
    const turn = ++this.turn;
    const slider = byId("z"), stacked = this.places.length && !this.projected;
    const place = Number(slider.value), level = this.#level();
    if (stacked) this.z = this.places[place];
    const kind = stacked ? STACK : byId("kind").value, z = stacked ? this.z : 0;
    byId("maximum").setAttribute("aria-pressed", String(!stacked));
    const wanted = this.channels.shown.filter(({ number }) => (this.#image(kind, number) ?? {})[z] !== undefined);
    this.#tellPlane(kind, z, wanted);
    if (!wanted.length) {
      this.stage.show(new ImageData(1, 1));
      return;
    }
    const slow = setTimeout(() => { byId("loading").hidden = false; }, 150);
    try {
      const planes = await Promise.all(wanted.map(({ number }) => this.planes.get(this.#path(kind, level, number, z))));
      if (turn !== this.turn) return;
      this.shown = wanted.map((channel, at) => ({ ...channel, plane: planes[at] }));
      this.stage.show(paint(this.shown.map((layer) => ({ ...layer, colour: this.channels.colour(layer) }))));
      const { width, height } = planes[0];
      Object.assign(byId("stage").dataset, { shown: `${this.well} ${kind} ${z}`, level, width, height });
      tell(null);
      if (stacked) this.#fetchNeighbours(wanted, level, place);
    } catch (error) {
      if (turn === this.turn) tell(error);
    } finally {
      clearTimeout(slow);
      if (turn === this.turn) byId("loading").hidden = true;
    }
  }

  #fetchNeighbours(wanted, level, place) {
    for (const near of [place + 1, place - 1]) {
      for (const { number } of wanted) {
        const z = this.places[near];
        if (z !== undefined && z in this.#image(STACK, number)) this.planes.ahead(this.#path(STACK, level, number, z));
      }
    }
  }

  #tellPlane(kind, z, wanted) {
    const said = byId("z-told");
    if (!wanted.length) said.textContent = this.channels.shown.length ? "no image" : "no channel is shown";
    else if (kind !== STACK) said.textContent = `${kind} projection`;
    else {
      const height = this.#image(STACK, wanted[0].number)[z];
      said.textContent = `plane ${this.places.indexOf(z) + 1} of ${this.places.length}${height === null ? "" : `, ${height.toFixed(1)} µm`}`;
    }
  }

  async #automatic(channel) {
    const plane = this.shown?.find(({ number }) => number === channel)?.plane;
    if (!plane) return this.channels.all[channel].window;
    const start = quantile(plane.pixels, 0.001);
    return [start, Math.max(start + 1, quantile(plane.pixels, 0.999))];
  }

  #point(x, y) {
    const said = byId("pointer"), [height, width] = this.plate?.levels[0] ?? [0, 0];
    if (x === undefined || !this.shown || x < 0 || y < 0 || x >= width || y >= height) {
      said.textContent = "";
      return;
    }
    const values = this.shown.map(({ plane }) => {
      const [column, row] = [Math.floor(x / width * plane.width), Math.floor(y / height * plane.height)];
      return plane.pixels[row * plane.width + column];
    });
    said.textContent = `x ${Math.floor(x)}  y ${Math.floor(y)}: ${values.join(", ")}`;
  }
}
