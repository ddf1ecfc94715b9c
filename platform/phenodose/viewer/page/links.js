// Where a well leads: its drug's dilution strip, its curves in the report, and the command that leaves the well out.

import { byId, element } from "./facts.js";

const link = (text, href) => Object.assign(element("a", text), { href });

export const stripAddress = (drug) => `#${new URLSearchParams({ strip: drug })}`;

/** The report opens at the curves of the drug, and its links lead back here. */
export const reportLink = (drug) => link(`curves of ${drug} in the report`, `report.html?viewer#drug=${encodeURIComponent(drug)}`);

/** Links and the command of one well into `place`; `screen` is what the server says of the screen. */
export function showLinks(place, screen, well) {
  const made = [];
  const drugs = well?.well_type === "therapy" ? [well.treatment, well.add_on].filter((drug) => drug in screen.drugs) : [];
  for (const drug of drugs) {
    made.push(link(`dilution strip of ${drug}`, stripAddress(drug)));
    if (screen.report) made.push(reportLink(drug));
  }
  if (drugs.length && !screen.report) made.push(element("p", "The screen has no report in the store.", "keys"));
  if (well?.decide) {
    const code = element("code", well.decide);
    code.id = `${place.id}-decide`;
    const box = element("div", undefined, "copied");
    const what = / restore /.test(well.decide) ? "Take this well back" : "Leave this well out";
    box.append(code, copyButton(code.id, `copy the command: ${what.toLowerCase()}`));
    made.push(element("h3", what), box);
  }
  place.replaceChildren(...made);
}

function copyButton(id, label) {
  const button = element("button", "copy");
  button.dataset.copies = id;
  button.setAttribute("aria-label", label);
  return button;
}

async function copy(button) {
  const text = byId(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(text);
    button.textContent = "press Ctrl-C";
  }
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copies]");
  if (button) copy(button);
});
