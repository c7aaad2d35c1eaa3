document.querySelectorAll("table.sort thead th").forEach(function (head, column) {
  var button = document.createElement("button");
  button.type = "button"; button.textContent = head.textContent; button.title = head.title;
  head.textContent = ""; head.appendChild(button);
  button.addEventListener("click", function () {
    var table = head.closest("table"), body = table.tBodies[0], at = Array.prototype.indexOf.call(head.parentNode.children, head);
    var up = head.getAttribute("aria-sort") === "descending";
    table.querySelectorAll("th[aria-sort]").forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    var value = function (row) { var cell = row.children[at], v = cell.getAttribute("data-value"); return v === null ? cell.textContent.trim() : v === "" ? -Infinity : +v; };
    Array.prototype.slice.call(body.rows).sort(function (a, b) {
      var x = value(a), y = value(b), less = x < y ? -1 : x > y ? 1 : 0;
      return up ? less : -less;
    }).forEach(function (row) { body.appendChild(row); });
  });
});
