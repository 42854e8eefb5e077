// Puts the page together: again whenever the address, the colours or the medium change.

function render() {
  view = readView();
  divided = divide(view.path, view.by);
  document.title = `Azure bill in ${data.database}${view.month === null ? "" : `, ${months[view.month].name}`}`;
  showChoices();
  showTiles();
  drawCharts();
  showExplanation();
  showTable();
  showMovers();
  showReconciliation();
  showRestatements();
  showUnallocated();
  showConflicts();
  showFindings();
  showLoads();
  if (focusOnTrail) part("trail").querySelector("[aria-current]").focus();
  focusOnTrail = false;
}

function drawCharts() {
  drawMonths(divided.rows);
  drawDays();
}

/** Paper is light and has everything on it: closed parts open, controls gone, charts as wide as the sheet. */
function setPrinting(isPrinting) {
  if (printing === isPrinting) return;
  printing = isPrinting;
  document.documentElement.classList.toggle("printing", printing);
  render();
}

part("month").addEventListener("change", (event) =>
  choose({ month: event.target.value === "" ? null : Number(event.target.value) }),
);
part("currency").addEventListener("change", (event) => choose({ currency: Number(event.target.value) }));
part("by").addEventListener("change", (event) => choose({ by: event.target.value }));
part("search").addEventListener("input", showTable);
addEventListener("hashchange", () => {
  shownRows = SHOWN_ROWS;
  render();
});
addEventListener("beforeprint", () => setPrinting(true));
addEventListener("afterprint", () => setPrinting(false));
matchMedia("print").addEventListener("change", (event) => setPrinting(event.matches));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawCharts);
part("page").hidden = false;
showBanner();
showLeftOut();
render();
