/* Fills the live page from one endpoint, once a second. What a server or a user said is a text. */
"use strict";

(() => {
  const { element, number, clock, draw, data, figures } = loadkit;
  const at = (id) => document.getElementById(id);
  const charts = new Map(); // id → {chart, section, place, stale}
  let version = 0, run = null, failed = 0, listed = null;

  const put = (id, said) => { const place = at(id); if (place.textContent !== said) place.textContent = said; };
  const ms = (value) => (value === null || value === undefined ? "–" : `${number(value)} ms`);

  // --- what is told in words and numbers -------------------------------------------------------------

  const STANDS = {
    none: ["Ready", "no run has been started"],
    starting: ["Starting", "the run begins as soon as a worker is there"],
    "under way": ["", ""],
    ending: ["Ending", "people leave, and those who wait may still be answered"],
    writing: ["Ending", "the results are written"],
  };

  function light(now) {
    const box = at("light"), over = now.over;
    const level = now.validity ? now.validity.level : "";
    box.className = `verdict ${over ? over.word : level}`;
    if (over) {
      put("word", over.word);
      put("says", `${over.text} (exit code ${over.exit_code})`);
    } else if (now.stage === "under way") {
      put("word", level.toUpperCase());
      put("says", level === "valid" ? "so far: the figures are the server’s, not the generator’s" : "so far:");
    } else {
      const [word, says] = STANDS[once && now.stage === "none" ? "starting" : now.stage];
      put("word", word);
      put("says", now.workers === null ? says.replace("a worker is there", "it can") : says);
    }
    const reasons = now.validity ? now.validity.reasons : [];
    at("reasons").replaceChildren(...(over && over.word === "INVALID" ? reasons.slice(1) : reasons).map((each) =>
      element("li", {}, each.text, each.remedy ? element("span", { class: "question" }, ` – ${each.remedy}`) : "")));
  }

  function progress(now) {
    const box = at("progress");
    box.hidden = !now.run;
    if (box.hidden) return;
    const row = at("stages");
    if (now.search) {
      row.replaceChildren();
      put("left", `${clock(now.elapsed_s)} · capacity search: ${now.search}`);
      return;
    }
    const done = Math.min(now.elapsed_s, now.total_s);
    row.replaceChildren(...now.stages.map((stage) => {
      const length = stage.to_s - stage.from_s;
      const share = Math.max(0, Math.min(1, (done - stage.from_s) / length));
      const bar = element("i");
      bar.style.width = `${100 * share}%`;
      const part = element("span", { title: `${clock(stage.from_s)}–${clock(stage.to_s)}: ${stage.text}` }, bar);
      part.style.flexGrow = String(length);
      return part;
    }));
    const which = now.stages.findIndex((stage) => now.elapsed_s < stage.to_s);
    const parts = [`${clock(now.elapsed_s)} of ${clock(now.total_s)}`];
    if (now.stage === "under way") {
      if (which >= 0) {
        const stage = now.stages[which];
        parts.unshift(`stage ${which + 1} of ${now.stages.length}: ${stage.text}`);
        parts.push(`${clock(Math.max(0, stage.to_s - now.elapsed_s))} left in the stage`);
      }
      parts.push(`${clock(Math.max(0, now.total_s - now.elapsed_s))} left in all`);
      if (now.elapsed_s < now.warmup_s) parts.push("warm-up: not in the figures");
    } else parts.push(now.stage);
    const said = parts.join(" · ");
    put("left", said);
    row.setAttribute("aria-label", said);
  }

  function tiles(now) {
    if (!now.run) { at("tiles").replaceChildren(); return; }
    const bad = (count) => (count ? "bad" : "");
    const asked = now.asked.users !== undefined ? ["people, of those asked for", `${number(now.users)} of ${number(now.asked.users)}`]
      : now.asked.arrivals_per_second !== undefined ? ["arrivals a second asked for", number(now.asked.arrivals_per_second)]
      : ["people", number(now.users)];
    const sum = (kinds) => Object.values(kinds).reduce((all, one) => all + one, 0);
    const cells = [
      asked,
      ["sessions now", number(now.sessions)],
      ["sessions begun", number(now.started)],
      ["messages sent", number(now.sent)],
      ["answered", number(now.answered)],
      ["waiting for an answer", number(now.waiting)],
      ["oldest wait", now.oldest_s ? `${number(now.oldest_s)} s` : "–", bad(now.overdue.waits)],
      ["longer than they should", number(now.overdue.waits), bad(now.overdue.waits)],
      ["never answered", number(now.lost), bad(now.lost)],
      ["errors", number(sum(now.errors)), bad(sum(now.errors))],
      ["violations", number(sum(now.violations)), bad(sum(now.violations))],
      ...Object.entries(now.disconnects).filter(([name, count]) => count || name === "dropped")
        .map(([name, count]) => [`sockets: ${name}`, number(count), name === "dropped" || name === "gave up" ? bad(count) : ""]),
      ...(now.workers === null ? [] : [["workers", number(now.workers), bad(now.workers === 0)]]),
    ];
    at("tiles").replaceChildren(...cells.map(([name, value, kind]) =>
      element("li", {}, element("span", {}, name), element("b", kind ? { class: kind } : {}, value))));
  }

  function table(caption, head, rows) {
    const cells = (name, row) => row.map((cell, column) =>
      element(column && name !== "th" ? "td" : "th", name === "th" ? { scope: "col" } : column ? {} : { scope: "row" }, cell));
    return element("div", { class: "wide" }, element("table", {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...cells("th", head))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells("td", row))))));
  }

  function latencies(now) {
    const rows = [];
    const names = { response: "response", first_chunk: "first chunk" };
    for (const [phase, name] of Object.entries(names)) {
      const found = now.latency && now.latency[phase];
      if (!found) continue;
      for (const [of, label] of [[found.recent, `${name}, last ${Math.round(now.latency.recent_s)} s`], [found.overall, `${name}, so far`]])
        rows.push([label, number(of.count), ms(of.p50), ms(of.p95), ms(of.p99), ms(of.max)]);
    }
    at("latencies").replaceChildren(...(rows.length ? [element("h2", {}, "Latency"),
      table("– where there are too few samples for a percentile", ["", "samples", "p50", "p95", "p99", "max"], rows)] : []));
  }

  const SIGNS = { pass: ["✓", "good"], fail: ["✗", "bad"], undecided: ["?", "doubt"] };
  function objectives(now) {
    const lines = now.slo ?? [];
    const rows = lines.map((line) => {
      const [sign, kind] = SIGNS[line.status];
      const few = line.status === "undecided" && line.needed ? `${number(line.samples)} of ${number(line.needed)} samples` : null;
      const value = few ?? (line.value === null ? "not measured yet" : `${line.at_least ? "≥ " : ""}${line.value}`);
      return [element("span", {}, element("span", { class: kind, "aria-label": line.status }, sign), ` ${line.metric}`), value, `≤ ${line.limit}`];
    });
    at("objectives").replaceChildren(...(rows.length ? [element("h2", {}, "Objectives"), table(now.over ? "" : "so far", ["metric", "value", "limit"], rows)] : []));
  }

  function wrong(now) {
    const kinds = ["errors", "violations"].flatMap((of) => Object.entries((now.run && now[of]) || {}).map(([kind, count]) => [of, kind, count]));
    at("kinds").replaceChildren(kinds.length
      ? element("ul", { class: "kinds" }, ...kinds.map(([, kind, count]) => element("li", {}, `${kind} `, element("b", { class: "bad" }, number(count)))))
      : element("p", { class: "none" }, "None so far."));
    const found = (now.run && now.found) || [];
    at("found").replaceChildren(...(found.length ? [table("the first of each kind, the newest of them first", ["when", "kind", "what", "who", "session"],
      found.map((one) => [one.at.replace("T", " ").replace("Z", ""), one.kind, one.detail || "–", one.user_class, one.session]))] : []));
    // What others said is as long as they like: it may break anywhere.
    for (const row of at("found").querySelectorAll("tbody tr")) row.children[2].className = row.children[4].className = "words";
  }

  // --- what can be done ------------------------------------------------------------------------------

  async function post(path, fields, says) {
    says.textContent = "…";
    says.className = "said";
    try {
      const answer = await fetch(`chat/${path}`, { method: "POST", body: new URLSearchParams(fields) });
      if (answer.redirected) { location.reload(); return false; } // to the login
      if (!(answer.headers.get("content-type") ?? "").includes("json")) throw new Error((await answer.text()).slice(0, 300));
      const told = await answer.json();
      says.textContent = told.message;
      if (!told.success) says.classList.add("bad");
      return told.success;
    } catch (error) {
      says.textContent = `not done: ${error.message}`;
      says.classList.add("bad");
      return false;
    }
  }

  const begin = at("start"), doing = at("under-way");
  let questions = new Map(), once = false, over = "", going = "";

  async function setUp() {
    try {
      const told = await (await fetch("chat/setup", { cache: "no-store" })).json();
      const choice = begin.elements.profile;
      questions = new Map(told.profiles.map((one) => [one.name, one.question]));
      if (!questions.has(told.profile)) questions.set(told.profile, "");
      choice.replaceChildren(...[...questions.keys()].map((name) => element("option", { value: name }, name)));
      choice.value = told.profile;
      begin.elements.host.value = told.host;
      begin.elements.capacity.checked = told.capacity;
      once = told.once;
      asks();
    } catch (error) {
      setTimeout(setUp, 3000);
    }
  }

  function asks() { put("question", questions.get(begin.elements.profile.value) ?? ""); }

  begin.elements.profile.addEventListener("change", asks);
  begin.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = begin.querySelector("button");
    button.disabled = true;
    const fields = new FormData(begin);
    if (!fields.has("capacity")) fields.set("capacity", "false");
    await post("start", fields, begin.querySelector(".said"));
    button.disabled = false;
  });
  for (const form of doing.querySelectorAll("form"))
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const fields = new FormData(form), by = event.submitter;
      if (by && by.name) fields.set(by.name, by.value);
      post(form.dataset.do, fields, doing.querySelector(".said")).then((done) => {
        if (done && form.dataset.do === "mark") form.reset();
      });
    });

  function controls(now) {
    const idle = !once && (now.stage === "none" || now.stage === "over");
    over = once && now.over ? `The run is over, and its process has ended with it. Its page is report.html in ${now.folder}.` : "";
    if (begin.hidden === idle) {
      begin.hidden = !idle;
      begin.querySelector(".said").textContent = doing.querySelector(".said").textContent = "";
    }
    const starts = now.stage === "starting";
    doing.hidden = !starts && now.stage !== "under way";
    for (const form of doing.querySelectorAll("form")) form.hidden = starts && form.dataset.do !== "stop";
    if (now.search) at("load-form").hidden = true;
  }

  // --- past runs -------------------------------------------------------------------------------------

  async function pastRuns() {
    let told;
    try {
      told = await (await fetch("chat/runs", { cache: "no-store" })).json();
    } catch (error) {
      return; // the next end of a run asks again
    }
    const form = at("compare");
    const chosen = new FormData(form);
    const link = (folder, file, said) => element("a", {
      href: `chat/runs/${encodeURIComponent(folder)}/${file}`,
      ...(file === "report.html" ? { target: "_blank", rel: "noopener" } : { download: "" }),
    }, said);
    const pick = (name, run) => {
      if (run.state !== "finished") return "";
      const one = element("input", { type: "radio", name, value: run.folder, "aria-label": `${name}: ${run.folder}` });
      one.checked = chosen.get(name) === run.folder;
      return one;
    };
    const rows = told.runs.map((run) => {
      const others = run.files.filter((file) => file !== "report.html");
      return [
        element("span", { title: run.folder }, run.started_at ? run.started_at.replace("T", " ").replace("Z", "") : run.folder),
        run.profile || "–",
        element("b", { class: { PASS: "good", FAIL: "bad", INVALID: "doubt" }[run.word] ?? "" }, run.word || run.state),
        run.state === "running" && run.folder === going ? "under way: it is what this page shows" : run.headline,
        run.duration_s === null ? "–" : clock(run.duration_s),
        run.files.includes("report.html") ? link(run.folder, "report.html", "report") : "–",
        others.length ? element("details", {}, element("summary", {}, `${number(others.length)} files`),
          element("ul", {}, ...others.map((file) => element("li", {}, link(run.folder, file, file))))) : "–",
        pick("base", run), pick("new", run),
      ];
    });
    const said = told.wrong || `in ${told.folder}, the newest first`;
    at("past").replaceChildren(rows.length
      ? table(said, ["began, UTC", "profile", "verdict", "in a line", "lasted", "report", "files", "base", "new"], rows)
      : element("p", { class: told.wrong ? "bad" : "none" }, told.wrong || `None yet in ${told.folder}.`));
    for (const row of at("past").querySelectorAll("tr")) if (row.children[3]) row.children[3].className = "words";
    choose();
  }

  function choose() {
    const chosen = new FormData(at("compare"));
    const [base, new_] = [chosen.get("base"), chosen.get("new")];
    at("compare").querySelector("button").disabled = !base || !new_ || base === new_;
  }
  at("compare").addEventListener("change", choose);

  // --- charts ----------------------------------------------------------------------------------------

  function chartsOf(told) {
    const given = told.charts ?? [];
    data.end = told.end;
    data.begin = told.from;
    data.marks = told.marks ?? [];
    const gone = new Set(charts.keys());
    given.forEach((chart, order) => {
      gone.delete(chart.id);
      let one = charts.get(chart.id);
      if (!one) {
        const place = element("div", { class: `chart ${chart.kind}`, role: "img" });
        const folded = element("details", { class: "figures" }, element("summary", {}, "Figures"));
        folded.addEventListener("toggle", () => {
          while (folded.childElementCount > 1) folded.lastElementChild.remove();
          if (folded.open) folded.append(...figures(charts.get(chart.id).chart));
        });
        const section = element("section", { id: chart.id }, element("h2", {}, chart.title),
          element("p", { class: "question" }, chart.question), place, folded);
        one = { section, place };
        charts.set(chart.id, one);
      }
      one.chart = chart;
      one.stale = true;
      const holder = at("charts");
      if (holder.children[order] !== one.section) holder.insertBefore(one.section, holder.children[order] ?? null);
    });
    for (const id of gone) {
      const { section, place } = charts.get(id);
      const known = loadkit.drawn.get(place);
      if (known) { known.plot.dispose(); loadkit.drawn.delete(place); }
      section.remove();
      charts.delete(id);
    }
    look();
  }

  /* Those in sight, and what is near, are drawn. */
  function look() {
    if (document.hidden) return;
    for (const one of charts.values()) {
      const { top, bottom } = one.place.getBoundingClientRect();
      if (!one.stale || bottom < -400 || top > window.innerHeight + 400) continue;
      one.stale = false;
      draw(one.place, one.chart);
    }
  }

  // --- once a second ---------------------------------------------------------------------------------

  function show(told) {
    const now = told.now;
    going = now.folder ?? "";
    const ends = `${now.run} ${Boolean(now.over)}`;
    if (ends !== listed) {
      listed = ends;
      pastRuns();
    }
    if (now.run !== run) {
      run = now.run;
      loadkit.whole();
    }
    put("profile", now.profile ?? (now.stage === "starting" ? "A run begins" : "No run yet"));
    put("about", now.run ? `${now.target} · ${now.run.slice(0, 19).replace("T", " ")} UTC · results in ${now.folder}` : "");
    document.title = now.profile ? `${now.over ? now.over.word : now.stage}: ${now.profile}` : "loadkit";
    light(now);
    controls(now);
    progress(now);
    tiles(now);
    latencies(now);
    objectives(now);
    wrong(now);
    if (told.charts) {
      version = told.version;
      chartsOf(told.charts);
    }
  }

  function lost(why) {
    const box = at("lost");
    box.hidden = !why;
    put("lost", why);
  }

  async function ask() {
    try {
      const answer = await fetch(`chat/now?since=${version}`, { cache: "no-store", signal: AbortSignal.timeout(20000) });
      if (answer.redirected) { location.reload(); return; } // to the login
      if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
      show(await answer.json());
      failed = 0;
      lost("");
    } catch (error) {
      failed += 1;
      if (failed > 2) lost(over || `The process that leads the run does not answer: it has ended, or cannot be reached. What is shown is the last that was heard of it. (${error.message})`);
    }
    setTimeout(ask, document.hidden ? 5000 : failed > 2 ? 3000 : 1000);
  }

  setUp();
  window.addEventListener("scroll", look, { passive: true });
  document.addEventListener("visibilitychange", look);
  ask();
})();
