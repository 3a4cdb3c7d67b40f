// Draws the charts of a report. What they show is in #data, put together by Go; here are only their looks: colours of
// page.css, numbers in the language of the page, names shortened to the width there is. Three states of the page matter:
// light or dark, as wide as the window or as paper, on a screen or printed; a change of any of them draws anew.
(() => {
  "use strict";
  const root = document.documentElement;
  const page = JSON.parse(document.getElementById("data").textContent);
  const paper = matchMedia("print"), dark = matchMedia("(prefers-color-scheme: dark)");
  const paperWidth = 697; // A4 less the margins in page.css, at 96 pixels an inch
  let printing = false, drawn = [], state = "", folded = [];

  const css = name => getComputedStyle(root).getPropertyValue(name).trim();
  const color = value => Array.isArray(value) ? value.map(color) : typeof value === "string" && value.startsWith("--") ? css(value) : value;

  const whole = new Intl.NumberFormat(page.lang, { maximumFractionDigits: 1 });
  const clock = seconds => {
    const s = Math.round(seconds), two = n => String(n).padStart(2, "0");
    return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
  };
  const formats = {
    number: value => whole.format(value),
    percent: value => `${whole.format(100 * value)}%`,
    duration: clock,
  };
  const say = (name, value) => Number.isFinite(value) && value !== null ? formats[name](value) : page.words.unknown;

  // theme is the one look of all charts.
  const theme = () => {
    const ink = css("--ink"), quiet = css("--quiet"), line = css("--line");
    const axis = { axisLine: { lineStyle: { color: line } }, axisTick: { show: false }, axisLabel: { color: quiet }, splitLine: { lineStyle: { color: line } },
      nameTextStyle: { color: quiet } };
    return {
      color: [1, 2, 3, 4, 5, 6].map(n => css(`--series-${n}`)),
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: ink },
      categoryAxis: axis, valueAxis: axis,
      legend: { textStyle: { color: ink } },
      radar: { axisName: { color: quiet }, axisLine: { lineStyle: { color: line } }, splitLine: { lineStyle: { color: line } }, splitArea: { show: false } },
      tooltip: { backgroundColor: css("--panel"), borderColor: line, textStyle: { color: ink } },
    };
  };

  // items are tooltips of what is no line and no bar.
  const items = {
    heatmap: (p, option) => `${option.yAxis[0].data[p.value[1]]}, ${option.xAxis[0].data[p.value[0]]}: ${say("number", p.value[2])}`,
    treemap: p => `${p.name}: ${say("number", p.value)}`,
    funnel: p => `${p.name}: ${say("number", p.value)}`,
    sankey: p => p.dataType === "edge" ? `${p.data.source} → ${p.data.target}: ${say("number", p.value)}` : `${p.name}: ${say("number", p.value)}`,
    radar: (p, option) => [p.name, ...option.radar.indicator.map((spoke, i) => `${spoke.name}: ${say("number", p.value[i])}`)].join("\n"),
  };

  // dress completes the option of a chart for a width.
  const dress = (chart, width) => {
    // A fresh copy each time: echarts writes into what it is given.
    const option = JSON.parse(JSON.stringify(chart.option), (key, value) => key === "color" ? color(value) : value);
    const names = Math.round(Math.min(240, Math.max(80, width * 0.3)));
    option.animation = false;
    // Rich text is drawn, not HTML that is parsed: a name stays a name.
    option.tooltip = { ...option.tooltip, renderMode: "richText", confine: true, textStyle: { width: Math.min(360, width - 60), overflow: "break" } };
    option.legend = { ...option.legend, show: option.legend.show === true, type: "scroll", itemWidth: 26, textStyle: { width: names, overflow: "truncate" } };
    const upright = (option.xAxis || [])[0] && option.xAxis[0].type === "value";
    for (const axes of [option.xAxis || [], option.yAxis || []]) {
      axes.forEach((axis, i) => {
        if (axis.type === "value") {
          axis.axisLabel = { formatter: value => say(chart.formats[i], value), hideOverlap: true };
          axis.minInterval = chart.formats[i] === "number" && !axis.max ? 1 : undefined;
          axis.nameTextStyle = { align: i === 0 ? "left" : "right", width: names, overflow: "truncate" };
        } else {
          axis.axisLabel = { hideOverlap: axes === option.xAxis, width: axes === option.yAxis ? names : undefined, overflow: "truncate", interval: axes === option.yAxis ? 0 : "auto" };
        }
      });
    }
    if (option.xAxis) {
      const top = (option.legend.show ? 34 : 10) + (option.yAxis.length > 1 || option.series[0].markLine ? 22 : 0);
      option.grid = { left: 4, right: upright ? 52 : 14, top, bottom: 6, containLabel: true };
    }
    for (const series of option.series) dressSeries(series, chart, option, width, names, upright);
    return option;
  };

  const dressSeries = (series, chart, option, width, names, upright) => {
    const format = chart.formats[series.yAxisIndex || 0], ink = css("--ink");
    series.animation = false; // some kinds of series have their own mind about it
    series.tooltip = { valueFormatter: value => say(format, value) };
    if (items[series.type]) option.tooltip.formatter = p => items[series.type](p, option);
    if (series.type === "bar") {
      series.barMaxWidth = upright ? 24 : 48;
      const inside = series.stack !== undefined;
      series.label = { ...series.label, show: series.label.show && (upright || width / option.xAxis[0].data.length > 34), position: inside ? "inside" : upright ? "right" : "top", color: inside ? undefined : ink, fontSize: 11,
        // A part too thin for its number goes without; the table has it.
        formatter: p => inside && p.value < 0.08 ? "" : p.value === null || p.value === undefined || (!upright && p.value === 0) ? "" : say(format, p.value) };
      if (series.markLine) {
        Object.assign(series.markLine, { symbol: "none", silent: true, lineStyle: { color: ink, type: "dashed", width: 1.5 },
          label: { color: ink, fontSize: 11, position: "start", formatter: p => `${p.name}: ${say(format, p.value)}` } });
      }
    }
    if (series.type === "heatmap") {
      series.itemStyle = { borderColor: css("--paper"), borderWidth: 2 };
      series.label = { show: width >= 600, color: ink, fontSize: width >= 900 ? 11 : 8, formatter: p => p.value[2] ? say("number", p.value[2] < 10 ? p.value[2] : Math.round(p.value[2])) : "" };
    }
    if (series.type === "treemap") {
      Object.assign(series, { nodeClick: false, breadcrumb: { show: false }, left: 0, right: 0, top: 4, bottom: 4, itemStyle: { borderColor: css("--paper"), gapWidth: 2 } });
      series.label = { color: "#ffffff", fontSize: 13, formatter: p => `${p.name}\n${say("number", p.value)}`, overflow: "truncate" };
    }
    if (series.type === "funnel") {
      Object.assign(series, { left: "4%", width: "92%", top: 6, bottom: 6, gap: 3, minSize: "0%" });
      series.itemStyle = { color: css("--series-1"), borderColor: css("--paper") };
      series.label = { ...series.label, color: "#ffffff", textBorderColor: css("--tree-1"), textBorderWidth: 2, formatter: p => `${p.name}: ${say("number", p.value)}` };
      // What is narrower than its name has it beside.
      const most = Math.max(...series.data.map(stage => stage.value));
      for (const stage of series.data) {
        if (stage.value < most * 0.4) {
          stage.label = { position: "right", color: ink, textBorderWidth: 0 };
          stage.labelLine = { show: true, length: 12, lineStyle: { color: css("--line") } };
        }
      }
    }
    if (series.type === "sankey") {
      const right = Math.min(names, 170), label = { ...series.label, color: ink, fontSize: 12, overflow: "truncate", formatter: p => `${p.name} (${say("number", p.value)})` };
      Object.assign(series, { left: names + 8, right: right + 12, top: 8, bottom: 8, nodeGap: 12, nodeWidth: 14, layoutIterations: 0, draggable: false, emphasis: { focus: "adjacency" } });
      series.levels = [{ depth: 0, label: { ...label, position: "left", width: names } }, { depth: 1, label: { ...label, position: "right", width: right } }];
    }
    if (series.type === "radar") {
      option.radar.radius = width < 420 ? "66%" : "74%";
      option.radar.center = ["50%", "58%"];
      option.radar.axisName = { ...option.radar.axisName, width: width / 4, overflow: "break" };
    }
  };

  // draw draws all charts and is done when the last one is.
  const draw = () => {
    delete root.dataset.ready;
    drawn.splice(0).forEach(chart => chart.dispose());
    const look = theme(), print = root.classList.contains("print");
    const all = page.charts.map(chart => new Promise(done => {
      const place = document.getElementById(chart.id);
      const narrow = place.closest(".narrow"), width = print && !narrow ? paperWidth : place.clientWidth;
      try {
        const picture = echarts.init(place, look, { renderer: "svg", width, height: Number(place.dataset.height) });
        drawn.push(picture);
        picture.on("finished", done);
        picture.setOption(dress(chart, width));
        picture.getZr().flush(); // before the next line, as printing does not wait
        fit(place, width, Number(place.dataset.height));
      } catch (error) {
        console.error(chart.id, error);
        place.textContent = page.words.failed;
        done();
      }
    }));
    const drawing = state;
    Promise.all(all).then(() => { if (drawing === state) root.dataset.ready = "true"; });
  };

  // fit lets paper of another width scale a picture instead of cutting it.
  const fit = (place, width, height) => {
    const svg = place.querySelector("svg");
    if (svg) svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  };

  // update draws anew when the state of the page is another one.
  const update = () => {
    const print = printing || paper.matches || location.hash === "#print";
    const now = [print, dark.matches, print ? paperWidth : root.clientWidth].join();
    if (now === state) return;
    state = now;
    root.classList.toggle("print", print);
    if (print && !folded.length) {
      folded = [...document.querySelectorAll("details:not([open])")];
      folded.forEach(details => { details.open = true; });
    } else if (!print) {
      folded.splice(0).forEach(details => { details.open = false; });
    }
    draw();
  };

  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(update); });
  addEventListener("hashchange", update);
  addEventListener("beforeprint", () => { printing = true; update(); });
  addEventListener("afterprint", () => { printing = false; update(); });
  paper.addEventListener("change", update);
  dark.addEventListener("change", update);
  update();
})();
