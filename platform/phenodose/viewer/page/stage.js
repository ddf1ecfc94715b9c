// The stage of the well view: a picture that is moved and zoomed, with a scale bar.

import { byId } from "./facts.js";

const MOST_ZOOM = 16;
const BAR_PX = 150;

export class Stage {
  /** `changed` is called when the zoom has changed, `pointed(x, y)` with a place in the full image, or with nothing. */
  constructor(changed, pointed) {
    this.changed = changed;
    this.stage = byId("stage");
    this.canvas = byId("canvas");
    this.full = { width: 1, height: 1 };
    this.fitted = true;
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(1.2 ** (-Math.sign(event.deltaY)), this.#inImage(event));
    }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => {
      this.stage.setPointerCapture(event.pointerId);
      this.held = { x: event.clientX, y: event.clientY };
      this.stage.classList.add("held");
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (this.held) {
        this.middle.x -= (event.clientX - this.held.x) / this.scale;
        this.middle.y -= (event.clientY - this.held.y) / this.scale;
        this.held = { x: event.clientX, y: event.clientY };
        this.fitted = false;
        this.draw();
      }
      const { x, y } = this.#inImage(event);
      pointed(x, y);
    });
    this.stage.addEventListener("pointerup", () => { this.held = null; this.stage.classList.remove("held"); });
    this.stage.addEventListener("pointerleave", () => pointed());
    new ResizeObserver(() => this.#resized()).observe(this.stage);
  }

  /** Start with an image of that full size (px) and pixel width (um); the place is kept if the size is the same. */
  begin(width, height, pixelUm) {
    const same = width === this.full.width && height === this.full.height && this.middle;
    this.full = { width, height };
    this.pixelUm = pixelUm;
    this.source = null;
    this.#resized(!same);
  }

  /** Show the pixels of a picture, at whatever pyramid level. */
  show(image) {
    if (!this.source || this.source.width !== image.width || this.source.height !== image.height) {
      this.source = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    }
    this.source.getContext("2d").putImageData(image, 0, 0);
    this.draw();
  }

  fit() {
    this.fitted = true;
    this.middle = { x: this.full.width / 2, y: this.full.height / 2 };
    this.#rescale(Math.min(this.stage.clientWidth / this.full.width, this.stage.clientHeight / this.full.height));
  }

  /** One pixel of the full image on one pixel of the screen. */
  oneToOne() {
    this.fitted = false;
    this.#rescale(1 / devicePixelRatio);
  }

  zoom(factor, about = this.middle) {
    this.fitted = false;
    const before = this.scale;
    const least = Math.min(1, 64 / Math.max(this.full.width, this.full.height));
    const scale = Math.min(Math.max(before * factor, least), MOST_ZOOM);
    const kept = before / scale;
    this.middle = { x: about.x + (this.middle.x - about.x) * kept, y: about.y + (this.middle.y - about.y) * kept };
    this.#rescale(scale);
  }

  /** Width of the whole image on the screen, in its own pixels: what a pyramid level must have. */
  get shownWidth() {
    return this.full.width * this.scale * devicePixelRatio;
  }

  #rescale(scale) {
    this.scale = scale;
    byId("zoom").textContent = `${Math.round(100 * scale * devicePixelRatio)} %`;
    this.#scaleBar();
    this.draw();
    this.changed();
  }

  #resized(afresh = false) {
    const { clientWidth, clientHeight } = this.stage;
    if (!clientWidth || !clientHeight) return;
    this.canvas.width = Math.round(clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(clientHeight * devicePixelRatio);
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    if (afresh || this.fitted || !this.middle) this.fit();
    else this.#rescale(this.scale);
  }

  #inImage(event) {
    const box = this.stage.getBoundingClientRect();
    return {
      x: this.middle.x + (event.clientX - box.left - box.width / 2) / this.scale,
      y: this.middle.y + (event.clientY - box.top - box.height / 2) / this.scale,
    };
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.source) return;
    const scale = this.scale * devicePixelRatio;
    // Pixels of the sample are shown as they are when they are large.
    pen.imageSmoothingEnabled = this.full.width * scale < this.source.width;
    pen.drawImage(
      this.source,
      Math.round(this.canvas.width / 2 - this.middle.x * scale), Math.round(this.canvas.height / 2 - this.middle.y * scale),
      Math.round(this.full.width * scale), Math.round(this.full.height * scale),
    );
  }

  #scaleBar() {
    const bar = byId("scale-bar");
    bar.hidden = !this.pixelUm;
    if (!this.pixelUm) return;
    const room = BAR_PX * this.pixelUm / this.scale; // um
    const power = 10 ** Math.floor(Math.log10(room));
    const um = [5, 2, 1].map((step) => step * power).find((length) => length <= room) ?? power;
    bar.style.width = `${um / this.pixelUm * this.scale}px`;
    bar.dataset.um = um;
    bar.firstElementChild.textContent = um >= 1000 ? `${um / 1000} mm` : `${+um.toPrecision(3)} µm`;
  }
}
