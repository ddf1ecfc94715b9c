// A region that is wider than the page scrolls sideways: it is a stop of the Tab key, unless something within is one.
(function () {
  var regions = Array.from(document.querySelectorAll(".scroll:not([tabindex])"));
  function name(region) {
    var place = region.closest("article, section, details"), title = place && place.querySelector("summary, h2, h3, h4");
    return title ? title.textContent.trim() + ", wide" : "wide part of the page";
  }
  function look() {
    regions.forEach(function (region) {
      var wide = region.scrollWidth > region.clientWidth + 1;
      if (!wide || region.querySelector("a[href], button, input, select, summary, [tabindex]")) {
        ["tabindex", "role", "aria-label"].forEach(function (each) { region.removeAttribute(each); });
        return;
      }
      region.setAttribute("tabindex", "0");
      region.setAttribute("role", "region");
      region.setAttribute("aria-label", name(region));
    });
  }
  if (window.ResizeObserver) {
    var watch = new ResizeObserver(look);
    regions.forEach(function (region) { watch.observe(region); });
  } else look();
})();
