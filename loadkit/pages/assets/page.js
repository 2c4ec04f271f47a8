/* Draws the charts of a page from the figures in it, and links them by one window of time. */
"use strict";

const loadkit = (() => {
  const island = document.getElementById("data");
  const data = island ? JSON.parse(island.textContent) : { charts: [], marks: [] };
  const drawn = new Map(); // element → {chart, plot}
  const ON_TIME = new Set(["bands", "lines", "stack", "heat"]);
  let range = null; // the seconds of the run that are looked at: [from, to]

  // --- words and numbers ---------------------------------------------------------------------------

  /* About three digits, as the summary has them. */
  function number(value) {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    if (typeof value === "string") return value;
    const size = Math.abs(value);
    if (Number.isInteger(value) || size >= 100)
      return value.toLocaleString("en", { maximumFractionDigits: 0 });
    if (size >= 10) return value.toFixed(1);
    if (size >= 1) return value.toFixed(2);
    return String(Number(value.toPrecision(3)));
  }

  function clock(seconds) {
    const whole = Math.round(seconds);
    const parts = [Math.floor(whole / 60) % 60, whole % 60];
    if (whole >= 3600) parts.unshift(Math.floor(whole / 3600));
    return parts.map((part, at) => (at ? String(part).padStart(2, "0") : part)).join(":");
  }

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  // --- colours -------------------------------------------------------------------------------------

  function colour(name) {
    const style = getComputedStyle(document.documentElement);
    return style.getPropertyValue(`--${name}`).trim() || style.getPropertyValue("--other").trim();
  }

  function faded(hex, share) {
    const parts = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${parts.join(",")},${share})`;
  }

  const wished = window.matchMedia("(prefers-color-scheme: dark)");
  function theme(chosen) {
    document.documentElement.dataset.theme = chosen;
    for (const one of drawn.values()) one.draw();
  }
  document.documentElement.dataset.theme = wished.matches ? "dark" : "light";
  wished.addEventListener("change", () => theme(wished.matches ? "dark" : "light"));

  // --- what all charts have ------------------------------------------------------------------------

  const columnOf = (chart, name) => chart.columns.find((one) => one.name === name);
  const valuesOf = (chart, name) => (columnOf(chart, name) || { values: [] }).values;
  const pairs = (xs, ys) => xs.map((x, at) => [x, ys[at]]);

  function base(chart) {
    const ink = colour("ink"), soft = colour("soft"), line = colour("line");
    return {
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink },
      grid: { left: 8, right: 20, top: 26, bottom: 30, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      legend: { show: false },  // `legend` makes one of buttons
      tooltip: {
        trigger: "axis", confine: true, backgroundColor: colour("raised"), borderColor: line,
        textStyle: { color: ink, fontSize: 12 }, axisPointer: { lineStyle: { color: soft } },
        formatter: (shown) => tooltip(chart, [].concat(shown)),
      },
      aria: { enabled: true, label: { description: chart.says } },
    };
  }

  /* Built of text nodes: what a server said stays a text. */
  function tooltip(chart, shown) {
    const head = shown[0].axisValue ?? shown[0].name;
    const box = element("div");
    const on_time = ON_TIME.has(chart.kind);
    box.append(element("b", {}, on_time ? `${clock(head)} of the run` : String(head)));
    for (const one of shown) {
      if (one.seriesName.startsWith("\u0000") || one.seriesType === "custom") continue;
      const value = Array.isArray(one.value) ? one.value[one.value.length > 2 ? 2 : 1] : one.value;
      const unit = chart.more.unit ? ` ${chart.more.unit}` : "";
      box.append(element("div", {}, `${one.seriesName}: ${number(value)}${unit}`));
    }
    return box;
  }

  /* Of what is counted there are no halves. */
  function upright(unit, values, more = {}) {
    const whole = values.every((value) => value === null || Number.isInteger(value));
    return axis("value", { name: unit, min: 0, minInterval: whole ? 1 : 0, ...more });
  }

  /* 1, 2, 5, 10, 20, … from the last one below up to the first one above. */
  function rungs(low, high) {
    const every = [];
    for (let ten = 10 ** Math.floor(Math.log10(low)); ten <= 10 * high; ten *= 10)
      every.push(...[1, 2, 5].map((step) => Number((step * ten).toPrecision(3))));
    return every.slice(every.findLastIndex((at) => at <= low), every.findIndex((at) => at >= high) + 1);
  }

  /* Those of them that are named on an axis: as far as they lie within, and not too many. */
  function ladder(low, high) {
    const found = rungs(low, high).filter((at) => at >= low && at <= high);
    return found.length > 8 ? found.filter((at) => Number.isInteger(Math.log10(at))) : found;
  }

  function logAxis(unit, values) {
    const known = values.filter((value) => value > 0);
    if (!known.length) return axis("log", { name: unit });
    const all = rungs(Math.min(...known), Math.max(...known));
    const [min, max] = [all[0], all[all.length - 1]];
    return axis("log", { name: unit, min, max: max > min ? max : 10 * min, axisLabel: { color: colour("soft"), formatter: number, customValues: ladder(min, max) } });
  }

  function axis(kind, more = {}) {
    const soft = colour("soft"), line = colour("line");
    return {
      type: kind, axisLine: { lineStyle: { color: line } }, axisTick: { show: false },
      splitLine: { show: kind !== "category", lineStyle: { color: line, opacity: 0.5 } },
      axisLabel: { color: soft, hideOverlap: true, formatter: kind === "category" ? undefined : number },
      nameTextStyle: { color: soft, align: more.nameLocation ? "center" : more.position === "right" ? "right" : "left" }, ...more,
    };
  }

  function span(chart) {
    const xs = chart.columns[0].values;
    return [data.begin ?? 0, data.end ?? (xs.length ? xs[xs.length - 1] : 1)];
  }

  /* So many seconds that a clock has them, and that there are six at most in what is looked at; not
     known while the end of the run is not. */
  const STRIDES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200];
  function stride() {
    const [from, to] = range ?? [data.begin ?? 0, data.end];
    return STRIDES.find((step) => (to - from) / step <= 6.5);
  }

  function timeAxis(chart) {
    const [begin, end] = span(chart);
    return axis("value", {
      min: begin, max: end, interval: stride(), splitLine: { show: false },
      axisLabel: { color: colour("soft"), hideOverlap: true, formatter: clock },
      axisPointer: { label: { formatter: (at) => clock(at.value) } },
    });
  }

  function zoom(chart) {
    const [from, to] = range ?? [undefined, undefined];
    const inside = { type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", startValue: from, endValue: to };
    if (chart.id !== (data.leader ?? "")) return { dataZoom: [inside] };
    return {
      dataZoom: [inside, {
        type: "slider", filterMode: "none", height: 18, bottom: 4, startValue: from, endValue: to,
        labelFormatter: clock, textStyle: { color: colour("soft") }, borderColor: colour("line"),
      }],
      grid: { left: 8, right: 20, top: 26, bottom: 54, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    };
  }

  /* The pins, in their order; of some that nearly fall together the first one names them all. */
  function pins() {
    const points = data.marks.filter((mark) => mark.to === undefined).sort((one, other) => one.at - other.at);
    const length = (data.end ?? 1) - (data.begin ?? 0);
    const named = [];
    let first = null;
    for (const { name, at } of points) {
      if (first && at - first.at < length / 60) {
        if (!first.name.endsWith("…")) first.name = first.name.length < 60 ? `${first.name} · ${name}` : `${first.name} …`;
        named.push({ name: "", at });
      } else named.push(first = { name, at });
    }
    named.close = points.some(({ at }, before) => before && at - points[before - 1].at < length / 5);
    return named;
  }

  /* Storms, incidents and marks: pins and shades on every axis of time. */
  function marks() {
    const soft = colour("soft");
    const points = pins();
    const areas = data.marks.filter((mark) => mark.to !== undefined);
    return {
      type: "line", name: "\u0000marks", data: [], silent: true,
      markLine: {
        symbol: "none", silent: true,
        lineStyle: { color: soft, type: "dashed" },
        label: { show: true, color: soft, fontSize: 11, position: points.length > 3 || points.close || window.innerWidth < 640 ? "insideEndTop" : "end", formatter: ({ name }) => (name.length > 28 ? `${name.slice(0, 27)}…` : name) },
        data: points.map((mark) => ({ name: mark.name, xAxis: mark.at })),
      },
      markArea: {
        silent: true, itemStyle: { color: faded(colour("lost"), 0.1) },
        label: { color: soft, fontSize: 11, position: "insideTop" },
        data: areas.map((mark) => [{ name: mark.name, xAxis: mark.at }, { xAxis: mark.to }]),
      },
    };
  }

  function lineOf(name, values, tint, more = {}) {
    return {
      type: "line", name, data: values, showSymbol: values.length < 3, symbolSize: 5,
      connectNulls: false, lineStyle: { width: 2, color: tint, ...(more.lineStyle ?? {}) },
      itemStyle: { color: tint }, emphasis: { disabled: true }, ...more.series,
    };
  }

  // --- kinds of charts -----------------------------------------------------------------------------

  const KINDS = {
    /* Percentiles over time, as bands around the median. */
    bands(chart) {
      const ts = chart.columns[0].values;
      const series = [];
      for (const [prefix, tint, name] of chart.more.of) {
        const of = (key) => valuesOf(chart, `${prefix}${key}`);
        const ink = colour(tint);
        const upTo = (key, dash, width) =>
          lineOf(`${name} ${key}`, pairs(ts, of(key)), ink, { lineStyle: { type: dash, width } });
        const area = of("p50").map((low, at) => [ts[at], low, of("p95")[at]]);
        series.push({
          type: "custom", name: `${name} p50`, silent: true, data: area, z: 1,
          encode: { x: 0, y: [1, 2] },
          renderItem: (params, api) => between(params, api, area, faded(ink, 0.18)),
        });
        series.push(lineOf(`${name} p50`, pairs(ts, of("p50")), ink));
        if (of("p95").some((value) => value !== null)) series.push(upTo("p95", "solid", 1));
        if (of("p99").some((value) => value !== null)) series.push(upTo("p99", "dashed", 1));
        series.push(upTo("max", "dotted", 1));
      }
      const hidden = chart.more.hidden ?? [];
      return {
        xAxis: timeAxis(chart), yAxis: axis("value", { name: chart.more.unit, min: 0 }),
        legend: { selected: Object.fromEntries(series.filter((one) => hidden.some((begin) => one.name.startsWith(begin))).map((one) => [one.name, false])) },
        series: [marks(), ...series],
      };
    },

    lines(chart) {
      const [time, ...rest] = chart.columns;
      const right = new Set(chart.more.right ?? []);
      const [unit, unit_right] = chart.more.axes ?? [chart.more.unit];
      const of = (side) => rest.filter((one) => right.has(one.name) === side).flatMap((one) => one.values);
      const yAxis = [upright(unit, of(false))];
      if (rest.some((one) => right.has(one.name))) yAxis.push(upright(unit_right, of(true), { position: "right", splitLine: { show: false } }));
      return {
        xAxis: timeAxis(chart), yAxis,
        series: [marks(), ...rest.map((one) => lineOf(one.label, pairs(time.values, one.values), colour((chart.more.colours ?? {})[one.name] ?? one.name), {
          lineStyle: right.has(one.name) ? { type: "dashed" } : {},
          series: { yAxisIndex: right.has(one.name) ? yAxis.length - 1 : 0, ...(chart.more.step ? { step: "end" } : {}) },
        }))],
      };
    },

    /* Shares of a whole over time, with what was asked for as a line. */
    stack(chart) {
      const [time, ...rest] = chart.columns;
      const over = new Set(chart.more.over ?? []);
      const tints = chart.more.colours ?? {};
      return {
        xAxis: timeAxis(chart), yAxis: upright(chart.more.unit, rest.flatMap((one) => one.values)),
        series: [marks(), ...rest.map((one) => {
          const share = (chart.more.shares ?? {})[one.name] ?? 1; // of one colour, paler or darker
          const full = colour(tints[one.name] ?? one.name), tint = share < 1 ? faded(full, share) : full;
          if (over.has(one.name))
            return lineOf(one.label, pairs(time.values, one.values), tint, { lineStyle: { type: "dashed" }, series: { z: 5 } });
          return lineOf(one.label, pairs(time.values, one.values), tint, {
            lineStyle: { width: 0 },
            series: { stack: "all", areaStyle: { color: tint, opacity: 0.9 }, showSymbol: false, ...(chart.more.step ? { step: "end" } : {}) },
          });
        })],
      };
    },

    /* How many answers took how long, second by second. */
    heat(chart) {
      const [times, bins, counts] = chart.columns.map((one) => one.values);
      const edges = chart.more.bins, length = chart.more.length;
      const most = Math.max(1, ...counts);
      const names = edges.slice(0, -1).map((low, at) => `${number(low)}–${number(edges[at + 1])} ms`);
      const cells = counts.map((count, at) => [times[at], edges[bins[at]], count, bins[at]]);
      return {
        tooltip: {
          trigger: "item", confine: true, backgroundColor: colour("raised"), borderColor: colour("line"), textStyle: { color: colour("ink"), fontSize: 12 },
          formatter: (one) => element("div", {},
            element("b", {}, `${clock(one.value[0])} of the run`), element("div", {}, `${number(one.value[2])} answers took ${names[one.value[3]]}`), element("div", {}, "Click: the slow turns of then")),
        },
        xAxis: timeAxis(chart),
        yAxis: axis("log", {
          name: "ms", min: edges[0], max: edges[edges.length - 1], splitLine: { show: false },
          axisLabel: { color: colour("soft"), formatter: number, customValues: ladder(edges[0], edges[edges.length - 1]) },
        }),
        series: [{ ...marks() }, {
          // All at once: some now and some later would be half a picture, on paper for good.
          type: "custom", name: "answers", data: cells, encode: { x: 0, y: 1 }, clip: true, progressive: 0,
          renderItem(params, api) {
            const bin = api.value(3);
            const [left, bottom] = api.coord([api.value(0), edges[bin]]);
            const [right, top] = api.coord([api.value(0) + length, edges[bin + 1]]);
            const share = Math.sqrt(api.value(2) / most);
            return {
              type: "rect", style: { fill: faded(colour("response"), 0.12 + 0.88 * share) },
              shape: { x: left, y: top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) },
            };
          },
        }],
      };
    },

    /* Latency by percentile: each nine takes the same room. */
    nines(chart) {
      const xs = chart.columns[0].values;
      const nines = xs.map((share) => -Math.log10(1 - share / 100));
      const series = [];
      for (const [name, tint, label] of chart.more.of) {
        const ink = colour(tint);
        const [at, low, high] = ["", "_from", "_to"].map((end) => valuesOf(chart, `${name}${end}`));
        const area = nines.map((x, number) => [x, low[number], high[number]]).filter((one) => one[1] !== null && one[2] !== null);
        series.push({
          type: "custom", name: label, silent: true, data: area, encode: { x: 0, y: [1, 2] },
          renderItem: (params, api) => between(params, api, area, faded(ink, 0.18)),
        });
        series.push(lineOf(label, pairs(nines, at).filter((one) => one[1] !== null), ink));
      }
      const last = Math.max(1, ...nines.filter((_, at) => chart.more.of.some(([name]) => valuesOf(chart, name)[at] !== null)));
      const named = [0, 50, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999].map((share) => [-Math.log10(1 - share / 100), `${share} %`]);
      const shares = (x) => (named.find(([at]) => Math.abs(at - x) < 0.001) ?? ["", ""])[1];
      return {
        tooltip: { formatter: (shown) => {
          const of = [].concat(shown), x = of[0].value[0];
          return element("div", {}, element("b", {}, `${number(100 * (1 - 10 ** -x))} % of them within`),
            ...of.filter((one) => one.seriesType !== "custom").map((one) => element("div", {}, `${one.seriesName}: ${number(one.value[1])} ms`)));
        } },
        xAxis: axis("value", { min: 0, max: last, interval: 1, axisLabel: { color: colour("soft"), hideOverlap: true, showMaxLabel: true, formatter: shares, customValues: named.map(([x]) => x).filter((x) => x <= last) }, axisPointer: { label: { show: false } } }),
        yAxis: logAxis("ms", chart.more.of.flatMap(([name]) => ["", "_from", "_to"].flatMap((end) => valuesOf(chart, `${name}${end}`)))), series,
      };
    },

    /* What happens within a turn, one bar for each step, at its median and its p95. */
    waterfall(chart) {
      const [steps, p50, p95] = chart.columns.map((one) => one.values);
      const tints = chart.more.colours;
      return {
        xAxis: axis("value", { name: "ms", nameLocation: "middle", nameGap: 26, min: 0 }),
        yAxis: axis("category", { data: steps, inverse: true, axisLabel: { color: colour("ink") } }),
        grid: { left: 8, right: 30, top: 12, bottom: 40, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
        series: [
          bars("p95", p95.map((value, at) => ({ value, itemStyle: { color: faded(colour(tints[at]), 0.3) } })), { barGap: "-100%", barWidth: "55%", z: 1 }),
          bars("p50", p50.map((value, at) => ({ value, itemStyle: { color: colour(tints[at]) } })), { barWidth: "55%", z: 2 }),
        ],
      };
    },

    /* How many got how far. */
    steps(chart) {
      const [names, counts, p50, p95] = chart.columns.map((one) => one.values);
      const took = (row) => [["p50", p50[row]], ["p95", p95[row]]].filter((one) => one[1] !== null && one[1] !== undefined).map(([name, ms]) => `${name} ${number(ms)} ms`).join(", ");
      const narrow = window.innerWidth < 640;
      const most = Math.max(1, ...counts);
      return {
        tooltip: { formatter: (shown) => {
          const row = [].concat(shown)[0].dataIndex;
          return element("div", {}, element("b", {}, names[row]), element("div", {}, `${number(counts[row])} sessions`), element("div", {}, took(row)));
        } },
        grid: { left: 8, right: 12, top: 12, bottom: 24, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
        xAxis: axis("value", { min: 0, max: most, splitLine: { show: false }, axisLabel: { show: false }, axisLine: { show: false } }),
        yAxis: axis("category", { data: names, inverse: true, axisLabel: { color: colour("ink") } }),
        series: [bars("sessions", counts, {
          barWidth: "80%", itemStyle: { color: faded(colour("response"), 0.3) },
          label: { show: true, position: "insideLeft", color: colour("ink"), formatter: ({ dataIndex: row }) => [number(counts[row]), ...(narrow || !took(row) ? [] : [took(row)])].join("  ·  ") },
        })],
      };
    },

    /* A figure of each class, with the interval that its true value lies in. */
    points(chart) {
      const xs = chart.columns[0].values.map(String);
      const series = [];
      for (const [name, tint, label] of chart.more.of) {
        const ink = colour(tint);
        const [at, low, high] = ["", "_from", "_to"].map((end) => valuesOf(chart, `${name}${end}`));
        const type = { p95: "dashed", p99: "dotted" }[label] ?? "solid";
        series.push(lineOf(label, at, ink, { lineStyle: { type }, series: { showSymbol: true, symbolSize: 7 } }));
        if (low.length) series.push(whiskers(label, xs, low, high, ink));
      }
      return {
        xAxis: axis("category", { data: xs, name: chart.more.axis, nameLocation: "middle", nameGap: 26 }),
        grid: { left: 8, right: 20, top: 26, bottom: 36, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
        yAxis: axis("value", { name: chart.more.unit, min: "low" in chart.more ? undefined : 0 }), series,
      };
    },

    /* Changes with their intervals, one line each; nothing changed where one crosses the middle. */
    forest(chart) {
      const names = chart.columns[0].values;
      const [at, low, high] = ["change", "from", "to"].map((name) => valuesOf(chart, name));
      const tints = chart.more.colours.map(colour);
      // As wide as most of the changes are: what reaches further is cut at the edge.
      const sizes = at.filter((one) => one !== null).map(Math.abs).sort((a, b) => a - b);
      const reach = Math.ceil(Math.max(5, Math.min(1.5 * sizes[sizes.length - 1], Math.max(20, 6 * sizes[sizes.length >> 1]))));
      const verdicts = valuesOf(chart, "verdict"), ground = colour("ground"), ink = colour("ink");
      return {
        grid: { left: 8, right: 30, top: 12, bottom: 40, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
        tooltip: { trigger: "item", formatter: (one) => {
          const row = one.value[0];
          return element("div", {}, element("b", {}, names[row]), element("div", {}, `${number(at[row])} % (${number(low[row])} to ${number(high[row])} %)`));
        } },
        xAxis: axis("value", { name: "change, %", nameLocation: "middle", nameGap: 26, min: -reach, max: reach, axisLabel: { color: colour("soft"), hideOverlap: true, showMinLabel: false, showMaxLabel: false } }),
        yAxis: axis("category", { data: names, inverse: true, axisLabel: { color: colour("ink"), interval: 0 } }),
        series: [{
          type: "custom", name: "change", data: names.map((_, row) => [row, at[row], low[row], high[row]]),
          encode: { x: [1, 2, 3], y: 0 },
          markLine: { symbol: "none", silent: true, lineStyle: { color: colour("soft") }, label: { show: false }, data: [{ xAxis: 0 }] },
          renderItem(params, api) {
            const row = api.value(0);
            if (at[row] === null) return null;
            const within = (value) => Math.min(reach, Math.max(-reach, value));
            const [x, y] = api.coord([within(at[row]), row]);
            const children = [], fill = verdicts[row] === "unknown" ? ground : tints[row];
            const said = `${at[row] > 0 ? "+" : ""}${number(at[row])} %`, to = Math.sign(at[row]), far = Math.abs(at[row]) > reach;
            if (verdicts[row] !== "unknown" || low[row] !== null || high[row] !== null) {
              let [a] = api.coord([within(low[row] ?? -Infinity), row]), [b] = api.coord([within(high[row] ?? Infinity), row]);
              const open = low[row] === null || high[row] === null;
              const room = 20 + 6.5 * said.length; // an arrow has its figure beside it
              if (far && to > 0) b = Math.max(a, Math.min(b, x - room));
              if (far && to < 0) a = Math.min(b, Math.max(a, x + room));
              children.push({ type: "line", shape: { x1: a, y1: y, x2: b, y2: y }, style: { stroke: tints[row], lineWidth: 2, lineDash: open ? [2, 4] : null } });
            }
            if (!far) children.push({ type: "circle", shape: { cx: x, cy: y, r: 5 }, style: { fill, stroke: tints[row], lineWidth: 1.5 } });
            else {
              children.push({ type: "polygon", shape: { points: [[x, y], [x - 9 * to, y - 6], [x - 9 * to, y + 6]] }, style: { fill, stroke: tints[row], lineWidth: 1.5 } });
              children.push({ type: "text", style: { text: said, x: x - 14 * to, y, fill: ink, fontSize: 11, align: to > 0 ? "right" : "left", verticalAlign: "middle" } });
            }
            return { type: "group", children };
          },
        }],
      };
    },
  };

  function bars(name, values, more) {
    return { type: "bar", name, data: values, emphasis: { disabled: true }, ...more };
  }

  function whiskers(name, xs, low, high, ink) {
    return {
      type: "custom", name, silent: true, z: 1,
      data: xs.map((_, at) => [at, low[at] ?? null, high[at] ?? null]).filter((one) => one[1] !== null || one[2] !== null),
      encode: { x: 0, y: [1, 2] },
      renderItem(params, api) {
        const area = params.coordSys; // as far as it goes, and without an end, where that is not known
        const x = api.coord([api.value(0), 0])[0];
        const known = [1, 2].map((end) => api.value(end)).map((value) => (Number.isFinite(value) ? api.coord([0, value])[1] : null));
        const [bottom, top] = [known[0] ?? area.y + area.height, known[1] ?? area.y];
        const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: ink, lineWidth: 1.5 } });
        return { type: "group", children: [line(x, bottom, x, top), ...known.filter((y) => y !== null).map((y) => line(x - 4, y, x + 4, y))] };
      },
    };
  }

  /* The area between two curves, piece by piece: none where either is not known. */
  function between(params, api, area, fill) {
    const at = params.dataIndex;
    if (at + 1 >= area.length) return null;
    const [a, b] = [area[at], area[at + 1]];
    if ([a[1], a[2], b[1], b[2]].some((value) => value === null || value === undefined)) return null;
    const points = [[a[0], a[1]], [b[0], b[1]], [b[0], b[2]], [a[0], a[2]]].map((one) => api.coord(one));
    return { type: "polygon", shape: { points }, style: { fill }, silent: true };
  }

  function merged(mine, theirs) {
    const found = { ...mine };
    for (const [key, value] of Object.entries(theirs)) {
      const both = found[key] && value && typeof value === "object" && !Array.isArray(value) && typeof found[key] === "object";
      found[key] = both ? merged(found[key], value) : value;
    }
    return found;
  }

  function optionOf(chart) {
    const option = merged(base(chart), KINDS[chart.kind](chart));
    return ON_TIME.has(chart.kind) ? merged(option, zoom(chart)) : option;
  }

  // --- drawing, and the one window of time ---------------------------------------------------------

  function draw(place, chart) {
    const known = drawn.get(place);
    if (known) {
      known.chart = chart;
      known.draw();
      return known;
    }
    const room = element("div", { class: "plot" });
    // Of one picture its parts cannot be reached: now that it has buttons, the drawing is the picture.
    place.removeAttribute("role");
    place.removeAttribute("aria-label");
    place.append(room);
    if (chart.kind === "forest") place.style.height = `${70 + 20 * chart.columns[0].values.length}px`;
    const plot = echarts.init(room, null, { renderer: "canvas" });
    const one = { chart, plot, draw: () => {
      const option = optionOf(one.chart);
      const chosen = plot.getOption()?.legend?.[0]?.selected;
      if (chosen && option.legend) option.legend.selected = { ...option.legend.selected, ...chosen };
      plot.setOption(option, { notMerge: true });
      legend(place, plot, option.series);
    } };
    drawn.set(place, one);
    one.draw();
    if (ON_TIME.has(chart.kind)) {
      plot.group = "time";
      echarts.connect("time");
      plot.on("datazoom", () => {
        const { startValue, endValue } = plot.getOption().dataZoom[0];
        look([startValue, endValue]);
      });
    }
    if (chart.kind === "heat") plot.on("click", (at) => {
      if (!Array.isArray(at.value)) return;
      window_([at.value[0], at.value[0] + chart.more.length]);
      const slow = document.getElementById("slow-turns");
      if (slow) slow.scrollIntoView();
    });
    return one;
  }

  /* What the lines are, each a button that hides it and shows it again. */
  const LEGENDS = new Set(["bands", "lines", "stack", "nines", "points"]);
  function legend(place, plot, series) {
    const mine = drawn.get(place);
    if (!LEGENDS.has(mine.chart.kind)) return;
    const known = (point) => (Array.isArray(point) ? point[1] : point) !== null;
    const shown = series.filter((one) => one.type === "line" && !one.name.startsWith("\u0000") && one.data.some(known));
    const says = JSON.stringify(shown.map((one) => [one.name, one.itemStyle.color, one.lineStyle]));
    if (mine.legend === says) return; // one that is drawn each second keeps the focus
    mine.legend = says;
    const chosen = () => plot.getOption().legend[0].selected ?? {};
    const box = element("div", { class: "legend", role: "group", "aria-label": "Lines that are shown" });
    for (const one of shown) {
      const style = one.areaStyle ? `height:.7em;background:${one.itemStyle.color}`
        : `border-top:${one.lineStyle.width}px ${one.lineStyle.type ?? "solid"} ${one.itemStyle.color}`;
      const button = element("button", { type: "button", "aria-pressed": chosen()[one.name] !== false, onclick: () => {
        plot.dispatchAction({ type: "legendToggleSelect", name: one.name });
        button.setAttribute("aria-pressed", chosen()[one.name] !== false);
      } }, element("i", { style }), one.name);
      box.append(button);
    }
    place.querySelector(".legend")?.remove();
    place.prepend(box);
    plot.resize();
  }

  /* Take note of the window: tables that have times show what lies in it. */
  function look(seconds) {
    const end = data.end ?? Infinity;
    const whole = !seconds || (seconds[0] <= 0 && seconds[1] >= end);
    range = whole ? null : seconds;
    for (const row of document.querySelectorAll("tr[data-at]")) {
      const at = Number(row.dataset.at);
      row.classList.toggle("out", whole ? "more" in row.dataset : at < seconds[0] || at >= seconds[1]);
    }
    const none = document.getElementById("none-then");
    if (none) none.hidden = document.querySelector("tr[data-at]:not(.out)") !== null;
    const says = document.getElementById("window");
    if (says) says.value = whole ? "" : `${clock(seconds[0])}–${clock(seconds[1])}`;
    const back = document.getElementById("whole");
    if (back) back.hidden = whole;
    for (const one of drawn.values())
      if (ON_TIME.has(one.chart.kind) && one.stride !== stride()) {
        one.stride = stride();
        one.plot.setOption({ xAxis: { interval: one.stride } });
      }
  }

  function window_(seconds) {
    look(seconds);
    const [from, to] = seconds ?? [0, data.end];
    for (const one of drawn.values())
      if (ON_TIME.has(one.chart.kind)) {
        one.plot.dispatchAction({ type: "dataZoom", dataZoomIndex: 0, startValue: from, endValue: to });
        break;
      }
  }

  /* "1:20–2:00" as seconds; null for the whole run; undefined for what is neither. */
  function spanned(said) {
    if (!said.trim()) return null;
    const ends = said.split(/[-–—]/).map((end) => end.trim());
    if (ends.length !== 2 || !ends.every((end) => /^\d+(:\d{1,2}){0,2}$/.test(end))) return undefined;
    const [from, to] = ends.map((end) => end.split(":").reduce((sum, part) => 60 * sum + Number(part), 0));
    return from < to && from < (data.end ?? Infinity) ? [from, to] : undefined;
  }

  function typed(box) {
    box.addEventListener("input", () => box.setCustomValidity(""));
    box.addEventListener("change", () => {
      const seconds = spanned(box.value);
      box.setCustomValidity(seconds === undefined ? `Write it as 0:20–0:40, within ${clock(data.end ?? 0)}` : "");
      if (seconds === undefined) box.reportValidity();
      else window_(seconds);
    });
  }

  // --- on paper ------------------------------------------------------------------------------------

  const PAPER = 720; // pixels that a sheet of A4 is wide
  let screen = null; // what it looked like, while it is printed

  function toPaper(places, charts) {
    if (screen) return;
    screen = { theme: document.documentElement.dataset.theme, folded: [...document.querySelectorAll(".verdict details:not([open])")] };
    for (const one of screen.folded) one.open = true;
    document.documentElement.dataset.theme = "light";
    for (const place of places) {
      const one = draw(place, charts.get(place.dataset.chart));
      one.plot.resize({ width: PAPER });
      const image = one.plot.getDataURL({ pixelRatio: 2, backgroundColor: "#fff", excludeComponents: ["dataZoom"] });
      place.append(element("img", { class: "paper", alt: one.chart.says, src: image }));
    }
  }

  function fromPaper() {
    if (!screen) return;
    for (const image of document.querySelectorAll(".paper")) image.remove();
    for (const one of screen.folded) one.open = false;
    for (const one of drawn.values()) one.plot.resize({ width: "auto" });
    theme(screen.theme);
    screen = null;
  }

  // --- figures as a table, and as CSV --------------------------------------------------------------

  const MOST_ROWS = 2000;

  function figures(chart) {
    const rows = chart.columns.length ? chart.columns[0].values.length : 0;
    const head = element("tr", {}, ...chart.columns.map((one) => element("th", { scope: "col" }, one.label)));
    const body = element("tbody");
    for (let at = 0; at < Math.min(rows, MOST_ROWS); at += 1)
      body.append(element("tr", {}, ...chart.columns.map((one) => element("td", {}, number(one.values[at])))));
    const save = element("button", { type: "button", onclick: () => download(chart) }, "Save as CSV");
    const more = rows > MOST_ROWS ? ` The first ${number(MOST_ROWS)} of ${number(rows)} rows; all are in the CSV.` : "";
    return [element("p", {}, save, more),
      element("div", { class: "wide" }, element("table", {}, element("thead", {}, head), body))];
  }

  function csv(chart) {
    const cell = (value) => {
      const said = value === null || value === undefined ? "" : String(value);
      const quoted = /[",\r\n]/.test(said) ? `"${said.replaceAll('"', '""')}"` : said;
      return /^[=+@\t]/.test(said) || (said.startsWith("-") && Number.isNaN(Number(said))) ? `'${quoted}` : quoted;
    };
    const lines = [chart.columns.map((one) => cell(one.label))];
    const rows = chart.columns.length ? chart.columns[0].values.length : 0;
    for (let at = 0; at < rows; at += 1) lines.push(chart.columns.map((one) => cell(one.values[at])));
    return lines.map((line) => line.join(",")).join("\r\n") + "\r\n";
  }

  function download(chart) {
    const url = URL.createObjectURL(new Blob([csv(chart)], { type: "text/csv" }));
    const link = element("a", { href: url, download: `${chart.id}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  // --- search --------------------------------------------------------------------------------------

  function search(box, says) {
    let hits = [], at = -1;
    const clear = () => {
      for (const one of document.querySelectorAll(".hit")) one.classList.remove("hit", "now");
      hits = []; at = -1;
    };
    const find = () => {
      clear();
      const wanted = box.value.trim().toLowerCase();
      if (wanted.length < 2) { says.textContent = ""; return; }
      const places = document.querySelectorAll("main tr, main li, main p, main pre, main h2, main h3");
      hits = [...places].filter((one) => one.textContent.toLowerCase().includes(wanted));
      for (const one of hits) one.classList.add("hit");
      says.textContent = `${number(hits.length)} found`;
    };
    const go = (by) => {
      if (!hits.length) return;
      if (at >= 0) hits[at].classList.remove("now");
      at = (at + by + hits.length) % hits.length;
      for (let up = hits[at]; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
      hits[at].classList.remove("out");
      hits[at].classList.add("now");
      hits[at].scrollIntoView({ block: "center" });
      says.textContent = `${number(at + 1)} of ${number(hits.length)}`;
    };
    box.addEventListener("input", find);
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); go(event.shiftKey ? -1 : 1); }
      if (event.key === "Escape") { box.value = ""; find(); }
    });
  }

  // --- a page --------------------------------------------------------------------------------------

  function start() {
    const charts = new Map(data.charts.map((chart) => [chart.id, chart]));
    const places = [...document.querySelectorAll(".chart[data-chart]")];
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries)
        if (entry.isIntersecting) {
          seen.unobserve(entry.target);
          draw(entry.target, charts.get(entry.target.dataset.chart));
        }
    }, { rootMargin: "600px" });
    for (const place of places) seen.observe(place);
    window.addEventListener("beforeprint", () => toPaper(places, charts));
    window.addEventListener("afterprint", fromPaper);
    window.addEventListener("resize", () => {
      for (const one of drawn.values()) one.plot.resize();
    });
    for (const folded of document.querySelectorAll("details.figures"))
      folded.addEventListener("toggle", () => {
        if (folded.open && folded.childElementCount === 1)
          folded.append(...figures(charts.get(folded.dataset.chart)));
      });
    const shade = document.getElementById("theme");
    if (shade) shade.addEventListener("click", () =>
      theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
    const span = document.getElementById("window");
    if (span) typed(span);
    const whole = document.getElementById("whole");
    if (whole) whole.addEventListener("click", () => window_(null));
    const box = document.getElementById("search");
    if (box) search(box, document.getElementById("found"));
    look(null);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
  return { draw, drawn, element, number, clock, csv, data, figures, whole: () => window_(null) };
})();
