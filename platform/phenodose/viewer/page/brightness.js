// How bright mosaics are: black, white and gamma of each channel, as shares of its plate's display window. One SVG filter
// does it, so that a change needs no request and every picture of the channel follows at once.

import { byId, element } from "./facts.js";

const PLAIN = { black: 0, white: 100, gamma: 1 };
const SLIDERS = [["black", 0, 99, 1], ["white", 1, 100, 1], ["gamma", 0.2, 3, 0.05]];

export class Brightness {
  constructor() {
    this.ofChannel = new Map();
    this.places = [...document.querySelectorAll(".brightness")].map((place) => this.#controls(place));
    this.show("");
  }

  /** Use and show what was set for the channel of that name. */
  show(channel) {
    this.channel = channel;
    if (!this.ofChannel.has(channel)) this.ofChannel.set(channel, { ...PLAIN });
    this.#apply();
  }

  #controls(place) {
    const inputs = {};
    const rows = element("div", undefined, "limits");
    for (const [name, min, max, step] of SLIDERS) {
      const slider = Object.assign(document.createElement("input"), { type: "range", min, max, step });
      slider.dataset.sets = name;
      slider.setAttribute("aria-label", `${name} of the mosaic`);
      slider.addEventListener("input", () => this.#set(name, Number(slider.value)));
      const told = element("output");
      inputs[name] = [slider, told];
      rows.append(element("span", name), slider, told);
    }
    const again = element("button", "as stored");
    again.addEventListener("click", () => { this.ofChannel.set(this.channel, { ...PLAIN }); this.#apply(); });
    place.replaceChildren(rows, again, element("p", "black and white in % of the plate's display window; gamma above 1 brightens", "keys"));
    return inputs;
  }

  #set(name, value) {
    const now = this.ofChannel.get(this.channel);
    if (name === "black") value = Math.min(value, now.white - 1);
    if (name === "white") value = Math.max(value, now.black + 1);
    now[name] = value;
    this.#apply();
  }

  #apply() {
    const now = this.ofChannel.get(this.channel);
    for (const inputs of this.places) {
      for (const [name, [slider, told]] of Object.entries(inputs)) {
        slider.value = now[name];
        told.textContent = name === "gamma" ? now.gamma.toFixed(2) : `${now[name]} %`;
        slider.setAttribute("aria-valuetext", told.textContent);
      }
    }
    const table = Array.from({ length: 256 }, (_, grey) => shown(grey / 255, now).toFixed(4)).join(" ");
    for (const part of byId("brightness").querySelectorAll("feFuncR, feFuncG, feFuncB")) part.setAttribute("tableValues", table);
    const plain = Object.keys(PLAIN).every((name) => now[name] === PLAIN[name]);
    document.body.classList.toggle("brightened", !plain);
  }
}

/** What a share 0 to 1 of the display window is shown as, 0 to 1. */
function shown(part, { black, white, gamma }) {
  return Math.min(Math.max((100 * part - black) / (white - black), 0), 1) ** (1 / gamma);
}
