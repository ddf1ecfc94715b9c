// Planes from the server: raw grey values, kept within a limit of memory, neighbours fetched ahead.

import { answer } from "./facts.js";

const MOST_BYTES = 256 * 1024 * 1024;

export class Planes {
  #kept = new Map(); // path -> promise of a plane, the last used at the end
  #bytes = 0;

  /** The plane {width, height, pixels}; pixels are a Uint8Array or Uint16Array, row by row. */
  get(path) {
    let plane = this.#kept.get(path);
    if (plane) {
      this.#kept.delete(path);
    } else {
      plane = this.#load(path);
      plane.catch(() => this.#kept.delete(path)); // the next one to ask tries again
    }
    this.#kept.set(path, plane);
    return plane;
  }

  /** Fetch a plane that will soon be wanted; a failure is told when it is. */
  ahead(path) {
    this.get(path).catch(() => undefined);
  }

  async #load(path) {
    const got = await answer(path);
    const width = Number(got.headers.get("X-Width")), height = Number(got.headers.get("X-Height"));
    const bytes = await got.arrayBuffer();
    const pixels = got.headers.get("X-Pixels") === "uint8" ? new Uint8Array(bytes) : new Uint16Array(bytes);
    this.#bytes += bytes.byteLength;
    for (const [other, plane] of this.#kept) {
      if (this.#bytes <= MOST_BYTES) break;
      if (other === path) continue;
      this.#kept.delete(other);
      plane.then(({ pixels: gone }) => { this.#bytes -= gone.byteLength; }, () => undefined);
    }
    return { width, height, pixels };
  }
}

/** The value below which a share of the pixels lies. */
export function quantile(pixels, share) {
  const counts = new Uint32Array(65536);
  for (const value of pixels) counts[value]++;
  let left = share * pixels.length;
  for (let value = 0; value < counts.length; value++) {
    left -= counts[value];
    if (left < 0) return value;
  }
  return pixels.reduce((most, value) => Math.max(most, value), 0);
}

/** Grey values in the window as 0 to 255: a table over all values. */
function levels(start, end) {
  const table = new Uint8ClampedArray(65536);
  const width = Math.max(1, end - start);
  for (let value = 0; value < table.length; value++) table[value] = (value - start) * 255 / width;
  return table;
}

/** Planes of one size as one picture; each {plane, start, end, colour: [r, g, b] of 255}. Colours add up. */
export function paint(layers) {
  const { width, height } = layers[0].plane;
  const image = new ImageData(width, height);
  const out = image.data;
  out.fill(0);
  layers.forEach(({ plane, start, end, colour }) => {
    const table = levels(start, end), pixels = plane.pixels;
    const [red, green, blue] = colour.map((part) => part / 255);
    for (let at = 0, to = 0; at < pixels.length; at++, to += 4) {
      const grey = table[pixels[at]];
      out[to] += grey * red;
      out[to + 1] += grey * green;
      out[to + 2] += grey * blue;
    }
  });
  for (let to = 3; to < out.length; to += 4) out[to] = 255;
  return image;
}
