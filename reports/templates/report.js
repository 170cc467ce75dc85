(function () {
  "use strict";
  var cards = Array.prototype.slice.call(document.querySelectorAll("details.card"));
  var form = document.querySelector("form.filters");
  var keys = ["candidate", "tier", "family", "op", "aspect", "dtype"];

  function setUpCopying() {
    document.querySelectorAll("button.copy").forEach(function (button) {
      button.hidden = false;
      button.addEventListener("click", function () { copy(button); });
    });
  }

  function copy(button) {
    var code = button.parentNode.querySelector("code");
    function done(word) {
      button.textContent = word;
      setTimeout(function () { button.textContent = "Copy"; }, 1600);
    }
    // Some browsers refuse the clipboard to pages from disk: then the text is left selected.
    function byHand() {
      var range = document.createRange();
      range.selectNodeContents(code);
      var selection = window.getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      var copied = false;
      try { copied = document.execCommand("copy"); } catch (error) { copied = false; }
      done(copied ? "Copied" : "Selected");
    }
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(code.textContent).then(function () { done("Copied"); }, byHand);
    } else {
      byHand();
    }
  }

  function wanted() {
    var values = {};
    keys.concat("text").forEach(function (key) {
      values[key] = form.elements[key] ? form.elements[key].value : "";
    });
    return values;
  }

  function matches(card, values) {
    var plain = ["candidate", "tier", "family", "op"].every(function (key) {
      return !values[key] || card.dataset[key] === values[key];
    });
    var aspect = !values.aspect || card.dataset.aspect === values.aspect ||
      card.dataset.aspect.indexOf(values.aspect + ".") === 0;
    var dtype = !values.dtype || card.dataset.dtype.split("\n").indexOf(values.dtype) >= 0;
    var text = !values.text || card.textContent.toLowerCase().indexOf(values.text.toLowerCase()) >= 0;
    return plain && aspect && dtype && text;
  }

  function apply() {
    var values = wanted(), shown = 0;
    cards.forEach(function (card) {
      card.hidden = !matches(card, values);
      if (!card.hidden) { shown += 1; }
    });
    form.querySelector("output").textContent =
      shown.toLocaleString("en") + " of " + cards.length.toLocaleString("en") + " shown";
    form.classList.toggle("active", shown < cards.length);
  }

  // The filter stands in the address (#?op=add&aspect=values), so a filtered report can be linked to.
  function remember() {
    var query = new URLSearchParams(), values = wanted();
    Object.keys(values).forEach(function (key) { if (values[key]) { query.set(key, values[key]); } });
    var text = query.toString();
    try { history.replaceState(null, "", text ? "#?" + text : "#discrepancies"); } catch (error) { return; }
  }

  function choose(values) {
    keys.concat("text").forEach(function (key) {
      var field = form.elements[key], value = values[key] || "";
      if (!field) { return; }
      field.value = value;
      if (field.value !== value) { field.value = ""; }
    });
    apply();
  }

  function followAddress() {
    var hash = location.hash;
    if (form && hash.slice(0, 2) === "#?") {
      var values = {};
      new URLSearchParams(hash.slice(2)).forEach(function (value, key) { values[key] = value; });
      choose(values);
      form.scrollIntoView();
      return;
    }
    var body = /^#d-[0-9a-f]+$/.test(hash) && document.getElementById(hash.slice(1));
    if (body) { show(body); }
  }

  function show(body) {
    var card = body.parentNode;
    if (card.hidden) { choose({}); }
    card.open = true;
    card.scrollIntoView();
  }

  function setUpFilters() {
    form.hidden = false;
    form.addEventListener("input", function () { apply(); remember(); });
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    form.addEventListener("reset", function () { setTimeout(function () { apply(); remember(); }); });
    form.querySelectorAll("[data-fold]").forEach(function (button) {
      button.addEventListener("click", function () {
        cards.forEach(function (card) { if (!card.hidden) { card.open = button.dataset.fold === "open"; } });
      });
    });
    document.querySelectorAll("table.matrix a").forEach(function (link) {
      link.addEventListener("click", function (event) {
        event.preventDefault();
        choose(link.dataset);
        remember();
        show(document.getElementById(link.getAttribute("href").slice(1)));
      });
    });
  }

  // Paper cannot be unfolded.
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (details) { details.open = false; });
  });

  setUpCopying();
  if (form) { setUpFilters(); }
  window.addEventListener("hashchange", followAddress);
  followAddress();
})();
