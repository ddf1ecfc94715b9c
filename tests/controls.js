// What is wrong with the controls of a page as it stands, in sentences. Every control is brought into view and looked
// at where it lies: it must have a name, be within the window, be what is hit at its middle, and cover no other. Marks
// of drawings are as large as what they show, so their size is not judged.
() => {
  const wrong = [];
  const said = (control) => {
    const labels = Array.from(control.labels ?? [], (label) => label.textContent);
    const pictures = Array.from(control.querySelectorAll("img[alt], title"), (each) => each.alt ?? each.textContent);
    return [control.ariaLabel, ...labels, control.textContent, control.title, ...pictures]
      .map((text) => (text ?? "").trim()).find(Boolean) ?? "";
  };
  const tag = (control) => `${control.localName}${control.id ? `#${control.id}` : ""} "${said(control).slice(0, 40)}"`;
  const box = (control) => {
    const { left, top, width, height } = control.getBoundingClientRect();
    return { left: left + scrollX, top: top + scrollY, width, height };
  };
  const shown = (each) => each.checkVisibility({ visibilityProperty: true }) && each.getClientRects().length;
  const all = Array.from(document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]"));
  const controls = all.filter((each) => shown(each) && !each.matches(".skip"));
  if (document.documentElement.scrollWidth > innerWidth) {
    const clips = (each) => each && (getComputedStyle(each).overflowX !== "visible" || clips(each.parentElement));
    const beyond = Array.from(document.body.querySelectorAll("*"))
      .filter((each) => each.getBoundingClientRect().left + each.scrollWidth > innerWidth + 1 && !clips(each) && !(each instanceof SVGElement));
    const names = beyond.map((each) => `${each.localName}#${each.id}.${each.getAttribute("class")} in ${each.closest("[id]")?.id}`);
    wrong.push(`the page is ${document.documentElement.scrollWidth} px wide in a window of ${innerWidth}: ${names.join("; ")}`);
  }
  for (const control of controls) {
    if (!said(control)) wrong.push(`${tag(control)} has no name`);
    control.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const { left, top, right, bottom, width, height } = control.getBoundingClientRect();
    if ((width < 5 || height < 5) && !(control instanceof SVGElement)) wrong.push(`${tag(control)} is ${width} x ${height} px`);
    const region = control.matches("[role=region], main, article, section");
    if (!region && (left < -1 || right > innerWidth + 1)) wrong.push(`${tag(control)} lies from ${left} to ${right} px across`);
    if (region || control instanceof SVGElement) continue;
    const [x, y] = [(Math.max(left, 0) + Math.min(right, innerWidth)) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2];
    const hit = document.elementFromPoint(x, y);
    // The middle of a link that runs over two lines may lie between them.
    const lines = Array.from(control.getClientRects());
    const inside = lines.some((line) => x >= line.left && x <= line.right && y >= line.top && y <= line.bottom);
    if (inside && !(hit && (control.contains(hit) || hit.contains(control)))) wrong.push(`${tag(control)} lies under ${hit?.localName ?? "nothing"}`);
    if (getComputedStyle(control).overflowX !== "visible" && control.matches("button, summary, a") && control.scrollWidth > control.clientWidth + 1) {
      wrong.push(`${tag(control)} is cut`);
    }
  }
  scrollTo(0, 0); // what sticks to the window's edge lies in its own place again
  const solid = controls.filter((each) => !(each instanceof SVGElement) && !each.matches("[role=region], main, article, section"));
  solid.forEach((one, place) => {
    const a = box(one);
    for (const other of solid.slice(place + 1)) {
      if (one.contains(other) || other.contains(one) || one.closest(".scroll, #strip, aside") !== other.closest(".scroll, #strip, aside")) continue;
      const b = box(other);
      const across = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
      const down = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
      if (across > 1 && down > 1 && one.getClientRects().length === 1 && other.getClientRects().length === 1) wrong.push(`${tag(one)} covers ${tag(other)}`);
    }
  });
  for (const each of document.querySelectorAll("*")) {
    if (!shown(each) || each.scrollWidth <= each.clientWidth + 1 || !["auto", "scroll"].includes(getComputedStyle(each).overflowX)) continue;
    if (!each.matches("[tabindex], input, textarea, select") && !each.querySelector("a[href], button, input, select, [tabindex]")) {
      wrong.push(`${each.localName}#${each.id}.${each.className} scrolls sideways and no key reaches it`);
    }
  }
  for (const part of document.querySelectorAll("button > *, summary, th, label, option")) {
    if (shown(part) && getComputedStyle(part).overflowX === "hidden" && part.scrollWidth > part.clientWidth + 1) wrong.push(`${part.localName} "${part.textContent}" is cut`);
  }
  scrollTo(0, 0);
  return wrong;
}
