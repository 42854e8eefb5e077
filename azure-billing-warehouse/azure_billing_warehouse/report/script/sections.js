// What is told besides the money: whether it adds up, what was restated, what is unallocated, findings, loads.

const LISTED = 10;
const SHOWN_PROBLEMS = 6;
const PATTERN_LEVELS = { last_segment: "resource's name", resource_group: "resource group", subscription: "subscription" };
const REASONS = {
  nothing_to_match: "The row names no resource, resource group or subscription",
  no_match: "No pattern is contained in its resource's name, resource group or subscription",
  unknown: "Not known: it was migrated, or loaded by a version that didn't say",
};

function inView(monthIndex) {
  return view.month === null ? !months[monthIndex].is_comparison : monthIndex === view.month;
}

/** Add up the cells of the chosen currency and month, or of a month that is given. */
function amountOf(cells, month = null) {
  const wanted = month === null ? inView : (index) => index === month;
  return cells.filter(([index, currency]) => currency === view.currency && wanted(index)).reduce((sum, cell) => sum.add(cell), new Amount());
}

function periodName() {
  return view.month === null ? "All months" : monthLabel(months[view.month]);
}

function showLeftOut() {
  part("left-out").replaceChildren(...data.left_out.map((sentence) => el("p", {}, sentence)));
}

function showBanner() {
  const failing = data.reconciliations.filter((one) => one.status === "fails");
  const reported = new Set(failing.map((one) => one.month));
  const gaps = realMonths.filter((month) => month.state === "missing" && !reported.has(month.index));
  const items = [
    ...data.problems.map((problem) => problemItem("", problem)),
    ...failing.flatMap((one) => one.problems.map((problem) => problemItem(`${one.enrollment_number}, ${months[one.month].name}`, problem))),
    ...gaps.map((month) => el("li", {}, el("b", {}, month.name), ": missing, nothing of it is published for any enrollment")),
  ];
  if (!items.length) {
    const all = counted(data.reconciliations.length, "month");
    return part("verdict").replaceChildren(el("p", { class: "good" }, `${data.reconciliations.length === 1 ? "The month adds" : `All ${all} add`} up.`));
  }
  const count = failing.length + gaps.length;
  const title = count ? `${counted(count, "month")} of ${data.reconciliations.length + gaps.length} ${count === 1 ? "is missing or doesn't" : "are missing or don't"} add up` : "Something is wrong with the loads";
  const more = el("details", { open: printing }, el("summary", {}, `${items.length - SHOWN_PROBLEMS} more`), el("ul", {}, items.slice(SHOWN_PROBLEMS)));
  return part("verdict").replaceChildren(el("div", { class: "banner", role: "alert" }, el("h2", {}, title), el("ul", {}, items.slice(0, SHOWN_PROBLEMS)), items.length > SHOWN_PROBLEMS ? more : ""));
}

function problemItem(where, problem) {
  return el("li", {}, where ? el("b", {}, where) : "", `${where ? ": " : ""}${problem.check} ${problem.text}`, el("br"), command(problem.cure));
}

function tile(name, figure, about, attributes = {}) {
  return el("div", { class: "tile", ...attributes }, el("span", {}, name), el("b", {}, figure), el("small", {}, about));
}

function showTiles() {
  const month = shownMonth();
  const whole = sumOf("TOTAL", [], []).months.get(month.index) ?? new Amount();
  const none = data.cuts[application].values.filter((value) => value.name === null).flatMap((value) => value.cells);
  const unallocated = amountOf(none, month.index);
  const conflict = amountOf(data.conflicts.flatMap(([, , , , cells]) => cells), month.index);
  const currency = data.currencies[view.currency] ?? "";
  part("tiles").replaceChildren(
    tile(`${monthLabel(month)}${currency ? `, ${currency}` : ""}`, month.state === "missing" ? "missing" : costNode(whole), taxNode(whole), { id: "tile-cost" }),
    changeTile(month, whole),
    tile("Without an application", percentage(unallocated.cost, whole.cost), costNode(unallocated), { id: "tile-unallocated" }),
    tile("In conflict between patterns", percentage(conflict.cost, whole.cost), costNode(conflict), { id: "tile-conflict" }),
    rejectedTile(month),
  );
}

function changeTile(month, whole) {
  const base = baseOf(month);
  const name = base?.isSameDays ? "Change to the same days of the month before" : "Change to the month before";
  if (!base) return tile(name, DASH, "it or the month before isn't there", { id: "tile-change" });
  const before = sumOf("TOTAL", [], []).months.get(base.index);
  const change = changeOf(whole, before);
  const about = [costNode(before), ` in ${base.label}`];
  if (!change) return tile(name, "unknown", about, { id: "tile-change" });
  return tile(name, [el("span", { title: String(change.money) }, signed(change.money)), el("i", {}, ` ${change.text}`)], about, { id: "tile-change" });
}

function rejectedTile(month) {
  const found = data.reconciliations.filter((one) => one.month === month.index);
  const rows = found.reduce((sum, one) => sum + one.rejected_rows, 0);
  const unknown = found.reduce((sum, one) => sum + one.rejected_unknown, 0);
  const rejected = total(found.map((one) => one.rejected_cost));
  const whole = rejected + total(found.map((one) => one.staged_cost));
  const figure = rows && unknown === rows ? "unknown" : percentage(rejected, whole);
  return tile("Rejected", figure, rows ? [knownNode(rejected, rows, unknown), ` in ${counted(rows, "row")}`] : "0 rows", { id: "tile-rejected" });
}

function reconciliationRows(one) {
  const api = one.api_cost === null ? null : Number(one.api_cost);
  const together = total([one.staged_cost, one.rejected_cost]);
  const difference = api === null ? null : total([api, -one.staged_cost, -one.rejected_cost]);
  const isSame = difference !== null && Math.abs(difference) <= 1e-6 + 1e-12 * Math.max(Math.abs(api), Math.abs(together));
  const known = (cost, rows, unknown) => (one.snapshot_at === null ? DASH : figures(knownNode(cost, rows, unknown), rows));
  const lacking = one.api_rows === null ? 0 : one.api_rows - one.staged_rows - one.rejected_rows;
  const row = [
    el("span", { class: "name" }, one.enrollment_number, el("small", {}, months[one.month].name)),
    el("span", { class: one.status === "ok" ? "good" : "bad" }, one.status),
    figures(one.api_cost === null ? "unknown" : grouped(one.api_cost), one.api_rows),
    known(one.staged_cost, one.staged_rows, one.staged_unknown),
    known(one.rejected_cost, one.rejected_rows, one.rejected_unknown),
    difference === null ? DASH : figures( el("span", { title: String(difference), class: isSame ? "" : "bad" }, isSame ? "0.00" : signed(difference)), lacking),
    taxOf(one),
  ];
  const found = findingsOf(one);
  return found.length ? [row, el("tr", { class: "found" }, el("td", { colspan: row.length }, el("ul", { class: "notes" }, found)))] : [row];
}

function taxOf(one) {
  if (one.snapshot_at === null) return DASH;
  if (lacksTax(one.staged_cost, one.staged_cost_with_tax)) return unknownNode(one.staged_rows);
  return knownNode(one.staged_cost_with_tax, one.staged_rows, one.staged_unknown);
}

function figures(cost, rows) {
  return el("span", { class: "stack" }, cost, el("small", {}, rows === null ? "no month row" : counted(rows, "row")));
}

function findingsOf(one) {
  const published = one.published_snapshot_at ? `the views show the snapshot of ${instant(one.published_snapshot_at)}` : "nothing of it is published";
  const items = one.problems.map((problem) => problemItem("", problem));
  if (one.snapshot_at !== null && !one.is_published) items.push(el("li", {}, `The newest snapshot isn't published: ${published}.`));
  if (one.currencies.length > 1) items.push(el("li", {}, `In ${one.currencies.map((place) => data.currencies[place] || "no currency").join(", ")}, all together.`));
  return [...items, ...one.notes.map((note) => el("li", {}, note))];
}

function showReconciliation() {
  const columns = [{ label: "Enrollment" }, { label: "Verdict" }, ...["API", "= published", "+ rejected", "Difference", "Published, with tax"].map((label) => ({ label, number: true }))];
  const chosen = data.reconciliations.filter((one) => inView(one.month)).sort((a, b) => b.month - a.month);
  const about = "What the API gave must be what is published and what was rejected, in rows and in cost. Each line is of the newest snapshot of a month. No tax is known of rejected rows.";
  part("reconciliation").replaceWith(section("reconciliation", "Does each month add up?", about, chosen.length ? longTable("Reconciliation", columns, chosen.flatMap(reconciliationRows), 24) : el("p", {}, "Nothing is known of this month.")));
}

function showRestatements() {
  const chosen = data.restatements.filter((one) => inView(one.month));
  const columns = [{ label: "Enrollment" }, { label: "Replaced" }, { label: "Before", number: true }, { label: "After", number: true }, { label: "Change", number: true }, { label: "By application" }];
  const rows = chosen.map((one) => {
    const change = total([one.cost, -one.cost_before]);
    return [
      el("span", { class: "name" }, one.enrollment_number, el("small", {}, months[one.month].name)),
      el("span", { class: "stack" }, instant(one.before_at), el("small", {}, `by ${instant(one.at)}`)),
      figures(knownNode(one.cost_before), one.rows_before),
      figures(knownNode(one.cost), one.rows),
      el("span", { class: "stack", title: String(change) }, signed(change), el("small", {}, percentage(change, one.cost_before, "+"))),
      el("ul", { class: "notes" }, one.applications.map(restatedApplication)),
    ];
  });
  const about = "Months whose published snapshot replaced another complete one, and what that changed.";
  part("restatements").replaceWith(section("restatements", "Restatements", about, rows.length ? tableNode("Restatements", columns, rows) : el("p", {}, "None.")));
}

function restatedApplication([name, before, after]) {
  const change = total([after, -before]);
  return el("li", { title: String(change) }, `${name ?? "without an application"}: ${money(before)} \u2192 ${money(after)} (${signed(change)})`);
}

function showUnallocated() {
  const whole = view.month === null ? sumOf("TOTAL", [], []).total : sumOf("TOTAL", [], []).months.get(view.month);
  const rows = data.unallocated.map(([reason, cells]) => ({ reason, amount: amountOf(cells) })).filter((one) => one.amount.rows);
  const columns = [{ label: "Reason" }, { label: "Rows", number: true }, { label: "Cost", number: true }, { label: "Of all", number: true }];
  const reasons = rows.map(({ reason, amount }) => [REASONS[reason], COUNT.format(amount.rows), costNode(amount), percentage(amount.cost, whole?.cost ?? 0)]);
  const about = `Cost without an application means that no pattern matched. ${periodName()}.`;
  part("unallocated").replaceWith(
    section("unallocated", "What is unallocated, and why", about, reasons.length ? tableNode("Reasons", columns, reasons) : el("p", {}, "None."), ...largestUnallocated(), ...suggestionNodes()),
  );
}

function largestUnallocated() {
  const none = data.cuts[application].values.findIndex((value) => value.name === null);
  const members = none < 0 ? [] : membersOf([{ cut: "application", value: none }]);
  const rows = rowsOfMembers(members, RESOURCE)
    .map((row) => ({ row, amount: view.month === null ? row.total : row.months.get(view.month) }))
    .filter((one) => one.amount?.rows)
    .sort((a, b) => b.amount.cost - a.amount.cost)
    .slice(0, LISTED);
  const columns = [{ label: "Resource" }, { label: "Rows", number: true }, { label: "Cost", number: true }];
  if (!rows.length) return [];
  return [el("h3", {}, "Largest resources without an application"), tableNode("Largest resources without an application", columns, rows.map(({ row, amount }) => [nameCell(row), COUNT.format(amount.rows), costNode(amount)]))];
}

function suggestionNodes() {
  const title = el("h3", {}, "Patterns that would help");
  if (!data.suggestions.length) return [title, el("p", {}, data.suggestions_missing || "No word stands in the names, groups or tags of these resources that would be a pattern.")];
  const columns = [{ label: "Word" }, { label: "Cost", number: true }, { label: "Resources", number: true }, { label: "Found in" }, { label: "Examples" }, { label: "Try it" }];
  const rows = data.suggestions.map(([word, cost, count, found, examples]) => [
    el("b", {}, word),
    knownNode(cost),
    COUNT.format(count),
    found.join(", "),
    el("ul", { class: "notes" }, examples.map((example) => el("li", {}, example))),
    command(`azure-billing-warehouse patterns test ${quoted(word)}`),
  ]);
  return [title, el("p", {}, "Words of these resources' names, groups and tags, by the cost that a pattern of this word would find in all months."), tableNode("Patterns that would help", columns, rows)];
}

/** Quote a word for the shell, if it needs it. */
function quoted(word) {
  return /^[\w.][\w.-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function showConflicts() {
  const columns = [{ label: "Resource" }, { label: "Patterns that match" }, { label: "Cost", number: true }];
  const rows = data.conflicts
    .map(([id, selected, count, patterns, cells]) => ({ id, selected, count, patterns, amount: amountOf(cells) }))
    .filter((one) => one.amount.rows)
    .sort((a, b) => b.amount.cost - a.amount.cost)
    .map((one) => [el("span", { class: "name", title: one.id }, shortId(one.id), el("small", {}, placeOf(one.id))), el("ul", { class: "notes" }, patternItems(one)), costNode(one.amount)]);
  const about = `More than one pattern matches; the first level with a match decides, and there the lowest id. ${periodName()}.`;
  part("conflicts").replaceWith(section("conflicts", "Conflicts between patterns", about, rows.length ? longTable("Conflicts", columns, rows, LISTED) : el("p", {}, "None.")));
}

function patternItems({ selected, count, patterns }) {
  const items = patterns.map(([pattern, levels]) => {
    const where = levels.map((level) => PATTERN_LEVELS[level] ?? level).join(", ");
    return el("li", {}, el(pattern === selected ? "b" : "span", {}, pattern), where ? ` (${where})` : "", pattern === selected ? el("span", { class: "badge" }, "selected") : "");
  });
  const more = count - patterns.length;
  return more > 0 ? [...items, el("li", {}, `${counted(more, "more pattern")}, which the patterns of today can't name`)] : items;
}

function showFindings() {
  const found = new Map();
  for (const one of data.findings.filter((finding) => inView(finding.month))) {
    const key = JSON.stringify([one.rule, one.severity, one.column]);
    if (!found.has(key)) found.set(key, { ...one, rows: 0, cost: new Sum(), unknown: 0, examples: new Set() });
    const sum = found.get(key);
    sum.rows += one.rows;
    sum.cost.add(one.cost);
    sum.unknown += one.unknown;
    one.examples.forEach((example) => sum.examples.add(example));
  }
  const rules = [...new Set([...found.values()].map((one) => one.rule))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  const blocks = rules.map((rule) => ruleNode(rule, [...found.values()].filter((one) => one.rule === rule)));
  const about = `What the rules found in the rows as they came; a row can have more than one finding. Severity reject: the row is kept whole and not published; null: the value was set to null; warn: it stayed. ${periodName()}.`;
  part("findings").replaceWith(section("findings", "Findings by rule", about, ...(blocks.length ? blocks : [el("p", {}, "None.")])));
}

function ruleNode(rule, found) {
  const rows = found.reduce((sum, one) => sum + one.rows, 0);
  const columns = [{ label: "Column" }, { label: "Severity" }, { label: "Rows", number: true }, { label: "Cost of these rows", number: true }, { label: "Examples" }];
  const lines = found.map((one) => [one.column, el("span", { class: `severity ${one.severity}` }, one.severity), COUNT.format(one.rows), knownNode(one.cost.value, one.rows, one.unknown), el("span", { class: "examples" }, [...one.examples].slice(0, 5).map(exampleNode))]);
  const severities = [...new Set(found.map((one) => one.severity))].map((severity) => el("span", { class: `severity ${severity}` }, severity));
  return el("details", { open: printing || found.some((one) => one.severity === "reject") }, el("summary", {}, el("b", {}, rule), " ", severities, ` ${counted(rows, "finding")}`), el("p", {}, data.rules[rule] ?? ""), tableNode(`Findings of ${rule}`, columns, lines));
}

function exampleNode(example) {
  return example === null ? el("i", {}, "null") : el("code", {}, example === "" ? "(empty)" : example);
}

function showLoads() {
  const columns = [{ label: "Begun" }, { label: "Enrollment" }, { label: "Month" }, { label: "State" }, { label: "Rows", number: true }, { label: "Seconds", number: true }];
  const newest = data.loads.toSorted((a, b) => (a.at < b.at) - (a.at > b.at));
  const rows = newest.map((one) => [instant(one.at), one.enrollment_number, monthName(one.month), el("span", { class: { published: "good", "not complete": "bad" }[one.state] ?? "quiet" }, one.state), one.rows === null ? DASH : COUNT.format(one.rows), one.seconds === null ? DASH : COUNT.format(Math.round(one.seconds))]);
  part("loads").replaceWith(section("loads", "Load history", "Every extraction of a month, newest first; the newest complete one is published.", longTable("Load history", columns, rows, 12)));
}
