// Shown by the viewer (report.html?viewer), a drug's card leads to its wells; #drug=NAME leads to the card of a drug.
(function () {
  var inViewer = new URLSearchParams(location.search).has("viewer");
  var places = Array.from(document.querySelectorAll("[data-wells-of]"));
  places.forEach(function (place) {
    place.querySelector("code").hidden = inViewer;
    place.querySelector("a").hidden = !inViewer;
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
