// What is said of a well, and how numbers are written. All of it is set as text, never as markup.

const UNITS = [[1e6, "mM"], [1e3, "µM"], [1, "nM"], [1e-3, "pM"]];

export const byId = (id) => document.getElementById(id);

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function dose(nM) {
  if (nM === null || nM === undefined) return "";
  if (nM === 0) return "0 nM";
  const [unit, name] = UNITS.find(([least]) => nM >= least) ?? UNITS.at(-1);
  return `${+(nM / unit).toPrecision(4)} ${name}`;
}

export function fill(select, values, wanted) {
  select.replaceChildren(...values.map(([value, text]) => Object.assign(element("option", text), { value })));
  if (wanted !== undefined) select.value = wanted;
}

export function showFacts(list, well, imaged = well?.imaged) {
  const rows = [];
  const add = (name, value) => value && rows.push(element("dt", name), element("dd", value));
  if (well) {
    add("well type", well.well_type);
    const addOn = well.add_on && [well.add_on, dose(well.add_on_dose_nM)].filter(Boolean).join(" ");
    add("treatment", [well.treatment, addOn].filter(Boolean).join(" + "));
    add("dose", dose(well.dose_nM));
    add("sample", well.sample);
    add("replicate", well.replicate && String(well.replicate));
    for (const [readout, value] of Object.entries(well.viability ?? {})) {
      add(`viability, ${readout}`, `${(100 * value).toFixed(1)} %`);
    }
    for (const [readout, said] of Object.entries(well.classes ?? {})) add(`class, ${readout}`, said);
    for (const flag of well.flags ?? []) add("flag", flag);
    for (const mask of well.masked ?? []) add("left out", mask);
    if (!imaged) add("image", "none");
  }
  list.replaceChildren(...rows);
}

export async function answer(path) {
  const got = await fetch(path);
  if (!got.ok) throw new Error(await got.text());
  return got;
}

export function tell(error) {
  const place = byId("trouble");
  place.hidden = !error;
  place.textContent = error ? error.message : "";
}

const COLUMN = /^([A-Z]+)0*([1-9][0-9]*)$/;

export function rowLabel(index) {
  return index < 26 ? String.fromCharCode(65 + index) : rowLabel(Math.floor(index / 26) - 1) + rowLabel(index % 26);
}

export const wellName = (row, column) => `${rowLabel(row)}${String(column + 1).padStart(2, "0")}`;

export function wellPlace(name) {
  const [, letters, column] = COLUMN.exec(name);
  let row = 0;
  for (const letter of letters) row = row * 26 + letter.charCodeAt(0) - 64;
  return [row - 1, Number(column) - 1];
}

/** Order of well names: by row (A to Z, then AA), then by column. */
export const byPlace = (one, other) => {
  const [rowOne, rowOther] = [one, other].map((well) => well.replace(/[0-9]+$/, ""));
  return rowOne.length - rowOther.length || (one < other ? -1 : one > other ? 1 : 0);
};
