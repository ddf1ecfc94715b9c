// Which wells are looked at: of a drug, of a dose, of a well type. The others are darkened and stay where they are.

import { byId, dose, element, fill } from "./facts.js";

const ALL = "";

export class Filter {
  /** `changed` is called after every choice. */
  constructor(changed) {
    byId("drug").addEventListener("change", () => { this.#fillDoses(); changed(); });
    for (const id of ["dose", "kind-of-well"]) byId(id).addEventListener("change", changed);
  }

  begin(screen) {
    this.drugs = screen.drugs;
    fill(byId("drug"), [[ALL, "all"], ...Object.keys(screen.drugs).map((drug) => [drug, drug])], ALL);
    this.#fillDoses();
  }

  get drug() {
    return byId("drug").value;
  }

  choose(drug) {
    if (this.drug === drug) return;
    byId("drug").value = drug in this.drugs ? drug : ALL;
    this.#fillDoses();
  }

  /** Show the controls that make sense for what is chosen. */
  refresh() {
    byId("dose-label").hidden = !this.drugs[this.drug]?.doses.length;
    byId("side-by-side").disabled = !this.drug;
  }

  /** Well types of a plate, and their treatments where a type that is no drug's has several. */
  show(plate) {
    this.plate = plate;
    const kinds = new Map();
    for (const { well_type: type, treatment } of Object.values(plate.wells)) {
      if (!type || type === "empty") continue;
      if (!kinds.has(type)) kinds.set(type, new Set());
      if (treatment) kinds.get(type).add(treatment);
    }
    const values = [[ALL, "all"]];
    for (const type of [...kinds.keys()].sort()) {
      values.push([JSON.stringify([type]), type]);
      const treatments = [...kinds.get(type)].sort();
      if (type !== "therapy" && treatments.length > 1) {
        for (const treatment of treatments) values.push([JSON.stringify([type, treatment]), `${type}: ${treatment}`]);
      }
    }
    const select = byId("kind-of-well"), before = select.value;
    fill(select, values, values.some(([value]) => value === before) ? before : ALL);
    byId("kind-of-well-label").hidden = values.length < 3;
  }

  #fillDoses() {
    const doses = this.drugs[this.drug]?.doses ?? [];
    fill(byId("dose"), [[ALL, "all"], ...doses.map((nM) => [nM, dose(nM)])], ALL);
  }

  get any() {
    return Boolean(this.drug || byId("kind-of-well").value);
  }

  /** Whether a well is one of those that are looked at. */
  takes(well) {
    if (!this.any) return true;
    if (!well) return false;
    const [type, treatment] = JSON.parse(byId("kind-of-well").value || "[]");
    if (type && (well.well_type !== type || (treatment && well.treatment !== treatment))) return false;
    if (!this.drug) return true;
    if (well.well_type !== "therapy") return false;
    const nM = byId("dose").value;
    return [[well.treatment, well.dose_nM], [well.add_on, well.add_on_dose_nM]]
      .some(([drug, its]) => drug === this.drug && (nM === ALL || its === Number(nM)));
  }

  /** Say how many wells are looked at, and on which other plates the drug is. */
  tell() {
    const wells = Object.values(this.plate.wells).filter((well) => this.takes(well));
    const imaged = wells.filter((well) => well.imaged).length;
    const others = Object.keys(this.drugs[this.drug]?.plates ?? {}).filter((plate) => plate !== this.plate.name);
    const said = [`${wells.length} ${wells.length === 1 ? "well" : "wells"} here, ${imaged} with an image`];
    if (others.length) said.push(`the drug is also on ${others.join(", ")}`);
    byId("filtered").textContent = this.any ? said.join("; ") : "";
  }
}
