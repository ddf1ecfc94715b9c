// Saves a figure of the page as SVG, PNG or CSV without asking any network: everything is in the page already.
(function () {
  function save(blob, name) {
    var link = document.createElement("a"), address = URL.createObjectURL(blob);
    link.href = address;
    link.download = name;
    link.hidden = true;
    document.body.appendChild(link);
    link.click();
    // The browser may still be reading when click() returns.
    setTimeout(function () { link.remove(); URL.revokeObjectURL(address); }, 60000);
  }
  function bytesOf(address) {
    var text = atob(address.slice(address.indexOf(",") + 1)), bytes = new Uint8Array(text.length);
    for (var i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }
  document.querySelectorAll("button[data-export]").forEach(function (button) {
    button.addEventListener("click", function () {
      var name = button.dataset.figure, kind = button.dataset.export;
      var image = document.getElementById("figure-" + name);
      if (kind === "csv") {
        save(new Blob([document.getElementById("csv-" + name).textContent], { type: "text/csv" }), name + ".csv");
      } else if (kind === "svg") {
        save(new Blob([bytesOf(image.src)], { type: "image/svg+xml" }), name + ".svg");
      } else {
        var canvas = document.createElement("canvas");
        canvas.width = 2 * image.naturalWidth;
        canvas.height = 2 * image.naturalHeight;
        var context = canvas.getContext("2d");
        context.fillStyle = "#fff";
        context.fillRect(0, 0, canvas.width, canvas.height);
        context.drawImage(image, 0, 0, canvas.width, canvas.height);
        save(new Blob([bytesOf(canvas.toDataURL("image/png"))], { type: "image/png" }), name + ".png");
      }
    });
  });
})();
