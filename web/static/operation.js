"use strict";

/* Plots of what happened lately. What they say stands in words beside each, without scripts too. */
(() => {
  const home = document.getElementById("plots");
  if (!home) return;
  const LINES = 3;
  const HEIGHT = 140;
  const LEAST = { s: 1, "/s": 1 }; /* how far an axis reaches where nothing happened yet */
  const drawn = new Map();
  let known = null;

  const colour = (name) => getComputedStyle(home).getPropertyValue(name).trim();

  const written = (value, unit) => {
    if (value == null) return "–";
    if (unit === "s" && value > 0 && value < 1) return `${Math.round(value * 1000)} ms`;
    if (unit === "s" && value >= 120) return `${Math.round(value / 60)} min`;
    return `${Number(value.toFixed(value < 10 ? 2 : 0)).toLocaleString("en")}${unit}`;
  };

  const clock = (at, seconds) =>
    new Date(at * 1000).toLocaleTimeString([], {
      hour: "2-digit",
      minute: "2-digit",
      second: seconds ? "2-digit" : undefined,
      hour12: false,
    });

  const axis = (more) => ({
    stroke: colour("--plot-words"),
    grid: { stroke: colour("--plot-grid"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui, sans-serif",
    ...more,
  });

  const options = (plot, width) => ({
    width,
    height: HEIGHT,
    padding: [null, 28, null, null], /* room for half of the last time */
    cursor: { y: false, sync: { key: "operation" } },
    scales: { y: { range: (_, __, most) => [0, (most || LEAST[plot.unit] || 10) * 1.15] } },
    axes: [
      axis({ space: 70, size: 30, values: (_, ticks) => ticks.map((one) => clock(one, ticks.at(-1) - ticks[0] < 300)) }),
      axis({ size: 62, values: (_, ticks) => ticks.map((one) => written(one, plot.unit)) }),
    ],
    series: [
      { label: "time", value: (_, at) => (at == null ? "–" : clock(at, true)) },
      ...Object.keys(plot.series).map((label, place) => ({
        label,
        stroke: colour(`--plot-${(place % LINES) + 1}`),
        width: 2,
        dash: place === 1 ? [6, 4] : place === 2 ? [2, 3] : undefined,
        points: { show: false },
        spanGaps: false,
        value: (_, value) => written(value, plot.unit),
      })),
    ],
  });

  const draw = (anew) => {
    for (const [key, plot] of Object.entries(known.plots)) {
      const place = home.querySelector(`[data-plot="${key}"]`);
      const values = [known.at, ...Object.values(plot.series)];
      if (anew && drawn.has(key)) {
        drawn.get(key).destroy();
        drawn.delete(key);
      }
      if (drawn.has(key)) drawn.get(key).setData(values);
      else if (known.at.length > 1) {
        drawn.set(key, new uPlot(options(plot, place.clientWidth), values, place));
      }
      /* Later, since a plot forgets its legend as it draws. */
      setTimeout(() => drawn.get(key)?.setLegend({ idx: known.at.length - 1 }));
      document.getElementById(`summary-${key}`).textContent = plot.summary;
    }
  };

  const look = async () => {
    if (document.hidden && known) return;
    try {
      const answer = await fetch(home.dataset.source, { headers: { Accept: "application/json" } });
      if (!answer.ok) return;
      known = await answer.json();
      draw(false);
    } catch {
      /* Away for now: the next look may find it. */
    }
  };

  let later;
  new ResizeObserver(() => {
    clearTimeout(later);
    later = setTimeout(() => {
      for (const [key, plot] of drawn) {
        const { clientWidth } = home.querySelector(`[data-plot="${key}"]`);
        if (clientWidth !== plot.width) plot.setSize({ width: clientWidth, height: HEIGHT });
      }
    }, 100);
  }).observe(home);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => known && draw(true));
  document.addEventListener("visibilitychange", () => !document.hidden && look());
  setInterval(look, Math.max(2, Number(home.dataset.seconds)) * 1000);
  look();
})();
