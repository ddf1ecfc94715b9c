// The patient report's controls: search in the table, one drug at a time, and the views of the phenotype maps.
(function () {
  var search = document.getElementById("search");
  if (search) search.addEventListener("input", function () {
    var wanted = search.value.trim().toLowerCase(), shown = 0;
    var rows = Array.from(document.querySelectorAll("#drug-table tbody tr"));
    rows.forEach(function (row) {
      row.hidden = row.textContent.toLowerCase().indexOf(wanted) < 0;
      if (!row.hidden) shown += 1;
    });
    document.getElementById("found").textContent = shown + " of " + rows.length + " drugs";
  });

  var cards = document.getElementById("cards"), choice = document.getElementById("choice");
  function choose(id) {
    document.querySelectorAll("article.drug").forEach(function (card) { card.classList.toggle("selected", card.id === id); });
    choice.value = id;
  }
  function step(by) {
    var place = Math.min(Math.max(choice.selectedIndex + by, 0), choice.options.length - 1);
    choose(choice.options[place].value);
  }
  function fromAddress() {
    var card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!card || !card.matches("article.drug")) return;
    choose(card.id);
    card.focus();
    card.scrollIntoView({ block: "nearest" });
  }
  if (cards) {
    cards.classList.add("one");
    choose(choice.value);
    choice.addEventListener("change", function () { choose(choice.value); });
    document.getElementById("before").addEventListener("click", function () { step(-1); });
    document.getElementById("after").addEventListener("click", function () { step(1); });
    document.getElementById("every").addEventListener("change", function (event) {
      cards.classList.toggle("one", !event.target.checked);
    });
    window.addEventListener("hashchange", fromAddress);
    document.addEventListener("click", function (event) {
      var link = event.target.closest && event.target.closest('a[href^="#drug-"]');
      if (link && link.getAttribute("href") === location.hash) fromAddress();
    });
    fromAddress();
  }

  var pictures = {};
  document.querySelectorAll("img[data-well]").forEach(function (img) { pictures[img.dataset.well] = img.src; });
  document.querySelectorAll(".phenotype").forEach(function (map) {
    var wells = Array.from(map.querySelectorAll(".well")), peek = map.querySelector(".peek");
    function show(well) {
      var img = peek.querySelector("img"), source = pictures[well.dataset.well];
      img.hidden = !source;
      if (source) img.src = source;
      var score = well.dataset.score ? ", score " + Number(well.dataset.score).toFixed(1) : "";
      peek.querySelector("p").textContent = well.getAttribute("aria-label") + score + ". " + well.dataset.doubt + (source ? "" : " (no picture in this file)");
    }
    wells.sort(function (a, b) { return a.dataset.x - b.dataset.x; });
    wells.forEach(function (well, place) {
      well.setAttribute("tabindex", place ? "-1" : "0");
      well.addEventListener("mouseenter", function () { show(well); });
      well.addEventListener("focus", function () { show(well); });
      well.addEventListener("click", function () { if (well.dataset.link) location.hash = well.dataset.link; });
      well.addEventListener("keydown", function (event) {
        if (event.key === "Enter" && well.dataset.link) { location.hash = well.dataset.link; return; }
        var by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        var next = by && wells[place + by];
        if (!by) return;
        event.preventDefault();
        if (!next) return;
        well.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    });
    map.querySelectorAll("input[type=radio]").forEach(function (radio) {
      radio.addEventListener("change", function () { map.dataset.colour = radio.value; });
    });
    map.querySelector("input[type=checkbox]").addEventListener("change", function (event) {
      map.classList.toggle("joined", event.target.checked);
    });
  });
})();
