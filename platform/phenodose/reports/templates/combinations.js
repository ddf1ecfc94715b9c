// One model of no interaction at a time: the radio buttons choose whose excess the heat maps show.
document.querySelectorAll("#matrices input[type=radio]").forEach(function (radio) {
  radio.addEventListener("change", function () {
    document.querySelectorAll("#matrices .excess").forEach(function (figure) {
      figure.hidden = figure.dataset.model !== radio.value;
    });
  });
});
