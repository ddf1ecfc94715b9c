// A pressed toggle shows the maps of the part of the page that it controls.
document.querySelectorAll("button.toggle").forEach(function (button) {
  button.addEventListener("click", function () {
    var shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(shown));
    document.getElementById(button.getAttribute("aria-controls")).querySelectorAll(".map").forEach(function (map) {
      map.hidden = !shown;
    });
  });
});
