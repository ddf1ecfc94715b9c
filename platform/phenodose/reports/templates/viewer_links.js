// Shown by the viewer (report.html?viewer), a drug's card leads to its wells; #drug=NAME leads to the card of a drug.
(function () {
  var inViewer = new URLSearchParams(location.search).has("viewer");
  var places = Array.from(document.querySelectorAll("[data-wells-of]"));
  // In a file by itself the link would lead nowhere, so it is none.
  if (inViewer) places.forEach(function (place) {
    var link = place.querySelector("a");
    link.href = link.dataset.address;
    link.hidden = false;
    place.querySelector("code").hidden = true;
  });
  function follow() {
    if (location.hash.indexOf("#drug=") !== 0) return;
    var name = decodeURIComponent(location.hash.slice("#drug=".length));
    var place = places.find(function (each) { return each.dataset.wellsOf === name; });
    if (place) location.replace("#" + place.closest("[id]").id);
  }
  window.addEventListener("hashchange", follow);
  follow();
})();
