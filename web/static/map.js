// Draws the map of a collection on a canvas in place of the picture, and tells the title of the
// passage that is pointed at. All of it is in the list beside it, too.

const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7d00", "#7a5bd0", "#a3563d", "#5f8f8a"];
const STEPS = ["#44337a", "#3b6ea5", "#2f9c8f", "#8bbf4c", "#e6b422"];
const NONE = "#9a9a9a";
const QUERY = "#b02a37";
const MARGIN = 0.024; // of the side, as in the picture
const REACH = 12; // pixels around a point that count as pointing at it

class MapView {
  constructor(figure, data) {
    this.figure = figure;
    this.points = data.points.map(([x, y, shade, title, href]) => ({ x, y, shade, title, href }));
    this.query = data.query;
    this.colours = data.rising ? STEPS : COLOURS;
    this.chosen = null; // a group that alone is shown in full colour
    this.near = null; // the point that is pointed at
    this.picture = figure.querySelector("img");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", this.picture.alt);
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.tip.dir = "auto";
    this.picture.replaceWith(this.canvas);
    figure.append(this.tip);
    new ResizeObserver(() => this.fit()).observe(figure);
    this.canvas.addEventListener("pointermove", (event) => this.point(this.at(event)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("click", (event) => this.open(this.at(event), event));
    this.listen(document.querySelector(".legend"));
    this.fit();
  }

  // Show in the map what the list is at.
  listen(legend) {
    for (const link of legend.querySelectorAll("a[data-x]")) {
      const place = { x: Number(link.dataset.x), y: Number(link.dataset.y), title: link.textContent };
      link.addEventListener("focus", () => this.point(place));
      link.addEventListener("mouseenter", () => this.point(place));
      link.addEventListener("blur", () => this.point(null));
      link.addEventListener("mouseleave", () => this.point(null));
    }
    for (const group of legend.querySelectorAll(".group")) {
      const summary = group.querySelector("summary");
      const shade = Number(group.dataset.shade);
      const choose = (one) => { this.chosen = one; this.draw(); };
      summary.addEventListener("mouseenter", () => choose(shade));
      summary.addEventListener("focus", () => choose(shade));
      summary.addEventListener("mouseleave", () => choose(null));
      summary.addEventListener("blur", () => choose(null));
    }
  }

  fit() {
    const side = Math.max(1, Math.round(this.figure.clientWidth));
    const ratio = window.devicePixelRatio || 1;
    if (this.side === side && this.ratio === ratio) return;
    this.side = side;
    this.ratio = ratio;
    this.canvas.width = side * ratio;
    this.canvas.height = side * ratio;
    this.draw();
  }

  place({ x, y }) {
    const inner = this.side * (1 - 2 * MARGIN);
    return [this.side * MARGIN + ((x + 1) / 2) * inner, this.side * MARGIN + ((1 - y) / 2) * inner];
  }

  // The point under the pointer, if there is one.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let least = REACH * REACH;
    for (const one of this.points) {
      const [x, y] = this.place(one);
      const apart = (x - left) ** 2 + (y - top) ** 2;
      if (apart <= least) [best, least] = [one, apart];
    }
    return best;
  }

  point(one) {
    if (one === this.near) return;
    this.near = one;
    this.canvas.classList.toggle("over", Boolean(one && one.href));
    this.tip.hidden = !one;
    if (one) {
      const [x, y] = this.place(one);
      this.tip.textContent = one.title;
      const room = this.figure.clientWidth - this.tip.offsetWidth - 4;
      this.tip.style.left = `${Math.max(4, Math.min(x + 12, room))}px`;
      this.tip.style.top = `${Math.max(4, y - this.tip.offsetHeight - 8)}px`;
    }
    this.draw();
  }

  // The first touch of a finger shows the title, the second one opens the document.
  open(one, event) {
    if (!one) return;
    if (event.pointerType === "touch" && this.touched !== one) {
      this.touched = one;
      this.point(one);
      return;
    }
    window.location.assign(one.href);
  }

  draw() {
    const paper = this.canvas.getContext("2d");
    paper.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    paper.clearRect(0, 0, this.side, this.side);
    const radius = (this.points.length < 400 ? 7 : 4) * Math.max(0.7, this.side / 1000);
    for (const one of this.points) {
      const faint = this.chosen !== null && one.shade !== this.chosen;
      paper.globalAlpha = faint ? 0.12 : 0.8;
      this.dot(paper, one, radius, one.shade < 0 ? NONE : this.colours[one.shade]);
    }
    paper.globalAlpha = 1;
    if (this.query) this.drawQuery(paper);
    if (this.near) this.ring(paper, this.near, radius + 4, getComputedStyle(this.figure).color);
  }

  drawQuery(paper) {
    const [x, y] = this.place(this.query);
    paper.strokeStyle = QUERY;
    paper.lineWidth = 1.5;
    paper.setLineDash([5, 4]);
    for (const [left, top] of this.query.nearest) {
      const [toX, toY] = this.place({ x: left, y: top });
      paper.beginPath();
      paper.moveTo(x, y);
      paper.lineTo(toX, toY);
      paper.stroke();
    }
    paper.setLineDash([]);
    this.ring(paper, this.query, 10, QUERY);
    this.dot(paper, this.query, 3, QUERY);
  }

  dot(paper, one, radius, colour) {
    const [x, y] = this.place(one);
    paper.fillStyle = colour;
    paper.beginPath();
    paper.arc(x, y, radius, 0, 2 * Math.PI);
    paper.fill();
  }

  ring(paper, one, radius, colour) {
    const [x, y] = this.place(one);
    paper.strokeStyle = colour;
    paper.lineWidth = 3;
    paper.beginPath();
    paper.arc(x, y, radius, 0, 2 * Math.PI);
    paper.stroke();
  }
}

const figure = document.querySelector("figure.map[data-points]");
if (figure) {
  fetch(figure.dataset.points)
    .then((response) => (response.ok ? response.json() : Promise.reject(new Error(response.status))))
    .then((data) => new MapView(figure, data))
    .catch(() => figure.classList.add("picture-only")); // the picture stays
}
