// Tables: headings say what they head, and on a narrow page each row becomes a card whose cells carry their headings.
// References: each is an item of its list.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table")) {
    const headings = [...table.querySelectorAll("thead th")];
    headings.forEach((th) => th.setAttribute("scope", "col"));
    table.querySelectorAll("tbody th").forEach((th) => th.setAttribute("scope", "row"));
    for (const row of table.querySelectorAll("tbody tr"))
      [...row.cells].forEach((cell, i) => {
        if (headings[i]) cell.dataset.heading = headings[i].textContent.trim();
        const text = cell.textContent.trim();
        if (text === "") cell.classList.add("empty");
        if (text.length + (cell.dataset.heading ?? "").length > 16) cell.classList.add("long"); // of half a card
      });
    // A long table of numbers stays one, and scrolls.
    const rows = [...table.querySelectorAll("tbody tr")];
    const numbers = rows.length > 8 && rows.every((row) => [...row.cells].every((cell) => cell.textContent.length < 25));
    if (headings.length > 3) table.classList.add(numbers ? "numbers" : "cards");
  }
  // The role that docutils gives to references has been withdrawn, so their list would be one without items.
  document.querySelectorAll(".citation-list > .citation").forEach((item) => item.setAttribute("role", "listitem"));
});
