// The channels of the well view: shown or not, colour, contrast limits.

import { element } from "./facts.js";

const WHITE = [255, 255, 255];

export const rgb = (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16) || 0);

export class Channels {
  /** `changed` is called after every change, `automatic(channel)` gives new limits [start, end]. */
  constructor(place, changed, automatic) {
    this.place = place;
    this.changed = changed;
    this.automatic = automatic;
    this.all = [];
  }

  show(plate) {
    this.most = plate.most;
    // One channel alone is grey: the eye tells more steps of grey than of blue.
    const alone = plate.channels.length === 1;
    this.all = plate.channels.map(({ name, color, window: [start, end] }) => (
      { name, start, end, window: [start, end], shown: true, coloured: !alone, said: rgb(color) }
    ));
    this.place.replaceChildren(...this.all.map((channel, at) => this.#controls(channel, at)));
  }

  get shown() {
    return this.all.map((channel, number) => ({ ...channel, number })).filter((channel) => channel.shown);
  }

  colour(channel) {
    return channel.coloured ? channel.said : WHITE;
  }

  #controls(channel, at) {
    const made = element("div", undefined, "channel");
    const box = (text, key, extra = []) => {
      const label = element("label");
      const input = Object.assign(document.createElement("input"), { type: "checkbox", checked: channel[key] });
      input.addEventListener("change", () => { channel[key] = input.checked; this.changed(); });
      label.append(input, ...extra, text);
      return label;
    };
    const swatch = element("span", undefined, "swatch");
    swatch.style.background = `rgb(${channel.said})`;
    const limits = element("div", undefined, "limits");
    const writers = [["black", "start"], ["white", "end"]].flatMap(([name, key]) => this.#limit(limits, channel, at, name, key));
    const write = () => writers.forEach((writer) => writer());
    const set = ([start, end]) => { Object.assign(channel, { start, end }); write(); this.changed(); };
    const automatic = element("button", "this image");
    automatic.title = "limits from the grey values of this image: its darkest and brightest 0.1 % are cut";
    automatic.addEventListener("click", async () => set(await this.automatic(at)));
    const again = element("button", "whole plate");
    again.title = "the display window of the plate, the same for all its wells";
    again.addEventListener("click", () => set(channel.window));
    made.append(box(` ${channel.name} `, "shown"), box(" in colour", "coloured", [swatch]), limits, "contrast of ", again, " ", automatic);
    write();
    return made;
  }

  /** A slider and a number for one limit; returns what writes them. The slider's steps grow with the value. */
  #limit(limits, channel, at, name, key) {
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 1000 });
    const number = Object.assign(document.createElement("input"), { type: "number", min: 0, max: this.most });
    slider.setAttribute("aria-label", `${name} of channel ${channel.name}, slider`);
    number.setAttribute("aria-label", `${name} of channel ${channel.name}`);
    number.id = `${key}-${at}`;
    const write = () => {
      slider.value = 1000 * Math.sqrt(channel[key] / this.most);
      number.value = channel[key];
    };
    const set = (value) => {
      const [least, most] = key === "start" ? [0, channel.end - 1] : [channel.start + 1, this.most];
      channel[key] = Math.round(Math.min(Math.max(value, least), most));
      write();
      this.changed();
    };
    slider.addEventListener("input", () => set((slider.value / 1000) ** 2 * this.most));
    number.addEventListener("change", () => set(Number(number.value) || 0));
    limits.append(element("span", name), slider, number);
    return [write];
  }
}
