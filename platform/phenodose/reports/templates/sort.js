// Sorts a table by the column whose header button is pressed: numbers by value, texts by letter, empty cells last.
document.querySelectorAll("table.sortable").forEach(function (table) {
  var body = table.tBodies[0], headers = Array.from(table.tHead.rows[0].cells);
  headers.forEach(function (header, column) {
    header.querySelector("button").addEventListener("click", function () {
      var numeric = header.dataset.type === "number";
      var before = header.getAttribute("aria-sort");
      var down = before ? before === "ascending" : numeric && column > 0;
      headers.forEach(function (other) { other.removeAttribute("aria-sort"); });
      header.setAttribute("aria-sort", down ? "descending" : "ascending");
      Array.from(body.rows).map(function (row, place) {
        var text = row.cells[column].dataset.sort;
        return { row: row, place: place, empty: text === "", value: numeric ? Number(text) : text.toLowerCase() };
      }).sort(function (a, b) {
        if (a.empty !== b.empty) return a.empty ? 1 : -1;
        var order = a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
        return (down ? -order : order) || a.place - b.place;
      }).forEach(function (entry) { body.appendChild(entry.row); });
    });
  });
});
