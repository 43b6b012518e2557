// Displays of one event: panels with points, stems, lines, trees and images. No network, no library.
// A payload is written by `displays/content.py`; numbers are base64 of little-endian float32.
(() => {
  "use strict";
  const CATEGORIES = ["#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#00a3a3", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"];
  const SCALE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  const TAU = 2 * Math.PI;

  const decode = (text) => {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return new Float32Array(bytes.buffer);
  };
  const scaleColour = (t) => {
    const place = Math.min(Math.max(t, 0), 1) * (SCALE.length - 1), k = Math.min(Math.floor(place), SCALE.length - 2);
    const mixed = SCALE[k].map((low, c) => Math.round(low + (place - k) * (SCALE[k + 1][c] - low)));
    return `rgb(${mixed})`;
  };
  // Hues a golden section apart, without red, which is that of wrong objects.
  const idColour = (id, dark) => `hsl(${25 + ((id * 0.618034) % 1) * 310} ${dark ? 75 : 68}% ${(dark ? 60 : 40) + 8 * (id % 3 - 1)}%)`;
  const shown = (value, column) => {
    if (Number.isNaN(value)) return "–";
    if (column.labels) return column.labels[value] ?? String(value);
    if (column.integer) return String(value);
    return String(Number(value.toPrecision(4)));
  };
  const element = (kind, className, parent, text) => {
    const made = document.createElement(kind);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };
  const niceTicks = (low, high, count) => {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * ([1, 2, 5, 10].find((one) => one * power >= raw) ?? 10), ticks = [];
    for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-6; t += step) ticks.push(Number(t.toPrecision(10)));
    return ticks;
  };
  const range = (arrays) => {
    let low = Infinity, high = -Infinity;
    for (const one of arrays) for (const v of one) if (Number.isFinite(v)) { if (v < low) low = v; if (v > high) high = v; }
    if (!(low <= high)) return [0, 1];
    return low === high ? [low - 0.5, high + 0.5] : [low, high];
  };

  class Display {
    constructor(root, payload) {
      this.root = root; this.payload = payload; this.hidden = new Set(); this.pinned = null;
      this.groups = payload.groups.map((group) => {
        const columns = {};
        for (const [name, one] of Object.entries(group.columns)) columns[name] = { ...one, values: decode(one.data) };
        const edges = {};
        for (const [name, one] of Object.entries(group.edges)) edges[name] = { first: decode(one.first), second: decode(one.second), right: decode(one.right) };
        return { ...group, columns, edges, index: group.index && decode(group.index), size: Object.values(columns)[0]?.values.length ?? 0 };
      });
      this.tip = element("div", "ev-tip", root);
      this.tip.hidden = true;
      const grid = element("div", "ev-grid", root);
      this.legend = element("div", "ev-legend", root);
      this.panels = payload.panels.map((spec) => new ({ space: Space, plane: Plane, tree: Tree, image: Picture }[spec.kind])(this, spec, grid));
      for (const note of payload.notes) element("p", "ev-note", root, note);
      this.restyle();
      new ResizeObserver(() => this.draw()).observe(grid);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.restyle());
    }
    restyle() {
      const style = getComputedStyle(this.root), get = (name) => style.getPropertyValue(name).trim();
      this.ink = get("--ev-ink"); this.soft = get("--ev-soft"); this.line = get("--ev-line"); this.none = get("--ev-none"); this.fake = get("--ev-fake");
      this.dark = get("--ev-dark") === "1";
      this.paint = new Map();
      this.showLegend(); this.draw();
    }
    draw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; for (const one of this.panels) one.draw(); });
    }
    // Colour and key of each point of a group; the key says which points belong together.
    colours(index, name) {
      const at = `${index} ${name}`;
      if (this.paint.has(at)) return this.paint.get(at);
      const group = this.groups[index], rule = group.colourings[name] ?? { kind: "none" }, made = new Array(group.size), keys = new Float32Array(group.size);
      const values = rule.column ? group.columns[rule.column].values : null;
      const [low, high] = rule.kind === "value" ? rule.range : [0, 1];
      for (let i = 0; i < group.size; i++) {
        const v = values ? values[i] : rule.index ?? 0;
        keys[i] = v;
        if (rule.kind === "id") made[i] = v === -2 ? this.fake : v < 0 ? this.none : idColour(v, this.dark);
        else if (rule.kind === "category") made[i] = v < 0 ? this.none : CATEGORIES[v % CATEGORIES.length];
        else if (rule.kind === "value") made[i] = scaleColour(rule.log ? Math.log(Math.max(v, low) / low) / Math.log(high / low) : (v - low) / (high - low || 1));
        else made[i] = CATEGORIES[0];
      }
      const found = { colours: made, keys, rule };
      this.paint.set(at, found);
      return found;
    }
    showLegend() {
      this.legend.replaceChildren();
      const seen = new Set();
      for (const panel of this.panels) for (const set of panel.spec.sets ?? []) {
        const name = panel.colouring, rule = this.groups[set.group].colourings[name], at = JSON.stringify([name, rule?.kind, rule?.labels, rule?.column]);
        if (!rule || seen.has(at)) continue;
        seen.add(at);
        const box = element("div", "ev-key", this.legend);
        element("b", "", box, rule.title ?? name);
        if (rule.kind === "value") {
          element("span", "", box, shown(rule.range[0], {}));
          element("i", "ev-bar", box).style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(scaleColour)})`;
          element("span", "", box, `${shown(rule.range[1], {})} ${rule.unit ?? ""}${rule.log ? " (logarithmic)" : ""}`);
        } else if (rule.kind === "id") {
          element("span", "", box, rule.text);
          this.chip(box, this.none, rule.none, `${name} -1`, set.group, name, -1);
          if (rule.fake) this.chip(box, this.fake, rule.fake, `${name} -2`, set.group, name, -2);
        } else if (rule.labels) {
          rule.labels.forEach((label, k) => label !== null && this.chip(box, CATEGORIES[k % CATEGORIES.length], label, `${name} ${k}`, set.group, name, k));
        }
      }
    }
    chip(box, colour, text, key) {
      const made = element("button", "ev-chip", box, text);
      made.style.setProperty("--chip", colour);
      made.type = "button"; made.title = "Hide or show"; made.setAttribute("aria-pressed", String(!this.hidden.has(key)));
      made.onclick = () => { this.hidden.has(key) ? this.hidden.delete(key) : this.hidden.add(key); made.setAttribute("aria-pressed", String(!this.hidden.has(key))); this.draw(); };
    }
    isHidden(name, key) { return this.hidden.size > 0 && this.hidden.has(`${name} ${key}`); }
    show(found, event) {
      if (this.focus?.text === found?.text) { if (found) this.move(event); return; }
      this.focus = found; this.tip.hidden = !found;
      if (found) {
        this.tip.replaceChildren();
        element("b", "", this.tip, found.title);
        const list = element("dl", "", this.tip);
        for (const [name, value] of found.rows) { element("dt", "", list, name); element("dd", "", list, value); }
        this.move(event);
      }
      this.draw();
    }
    move(event) {
      const box = this.root.getBoundingClientRect(), width = this.tip.offsetWidth, height = this.tip.offsetHeight;
      const x = event.clientX - box.left, y = event.clientY - box.top;
      this.tip.style.left = `${Math.max(0, Math.min(x + 16 + width > box.width ? x - width - 12 : x + 16, box.width - width))}px`;
      this.tip.style.top = `${Math.max(4, y + 16 + height > innerHeight - box.top ? y - height - 12 : y + 16)}px`;
    }
  }

  // What all panels share: canvas, heading, drag, wheel, pinch, hover.
  class Panel {
    constructor(display, spec, grid) {
      this.display = display; this.spec = spec; this.colouring = spec.colouring; this.pointers = new Map();
      const frame = element("figure", `ev-panel ev-${spec.size ?? "small"}`, grid), head = element("figcaption", "", frame);
      element("span", "ev-title", head, spec.title);
      if ((spec.choices ?? []).length > 1) {
        const choice = element("select", "", head);
        choice.setAttribute("aria-label", `Colours of ${spec.title}`);
        for (const one of spec.choices) element("option", "", choice, one).value = one;
        choice.value = this.colouring;
        choice.onchange = () => { this.colouring = choice.value; display.showLegend(); display.draw(); };
      }
      this.canvas = element("canvas", "", frame);
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", `${spec.title}${spec.help ? `: ${spec.help}` : ""}`);
      this.canvas.style.touchAction = spec.kind === "space" ? "none" : "pan-y";
      if (spec.hint) element("span", "ev-hint", frame, spec.hint);
      this.context = this.canvas.getContext("2d");
      this.listen();
      this.reset();
    }
    listen() {
      const canvas = this.canvas, place = (event) => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
      canvas.addEventListener("pointerdown", (event) => { this.pointers.set(event.pointerId, place(event)); this.moved = 0; if (event.pointerType === "mouse" || this.spec.kind === "space") canvas.setPointerCapture(event.pointerId); });
      canvas.addEventListener("pointermove", (event) => {
        const now = place(event), before = this.pointers.get(event.pointerId);
        if (!before) { this.display.show(this.pick(...now), event); return; }
        const dx = now[0] - before[0], dy = now[1] - before[1];
        this.moved += Math.abs(dx) + Math.abs(dy);
        if (this.pointers.size === 2) {
          const [other] = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
          const ratio = Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(Math.hypot(before[0] - other[0], before[1] - other[1]), 1);
          this.zoomBy(ratio, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
        } else this.drag(dx, dy);
        this.pointers.set(event.pointerId, now);
        this.display.show(null); this.display.draw();
      });
      const end = (event) => {
        const was = this.pointers.delete(event.pointerId);
        if (was && this.moved < 6 && event.type === "pointerup") this.display.show(this.pick(...place(event)), event);
        this.display.draw();
      };
      for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, end);
      canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.display.show(null, event); });
      canvas.addEventListener("wheel", (event) => { if (!event.ctrlKey && !event.metaKey && !this.active) return; event.preventDefault(); this.zoomBy(Math.exp(-event.deltaY * 0.0015), ...place(event)); this.display.draw(); }, { passive: false });
      canvas.addEventListener("pointerdown", () => { this.active = true; });
      document.addEventListener("pointerdown", (event) => { if (event.target !== canvas) this.active = false; });
      canvas.addEventListener("dblclick", () => { this.reset(); this.display.draw(); });
    }
    begin() {
      const ratio = Math.min(devicePixelRatio || 1, 3), width = this.canvas.clientWidth, height = this.canvas.clientHeight;
      if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) { this.canvas.width = Math.round(width * ratio); this.canvas.height = Math.round(height * ratio); }
      this.width = width; this.height = height;
      const c = this.context;
      c.setTransform(ratio, 0, 0, ratio, 0, 0); c.clearRect(0, 0, width, height); c.globalAlpha = 1; c.lineWidth = 1; c.lineJoin = "round";
      c.font = `12px ${getComputedStyle(this.display.root).fontFamily}`;
      return width > 0 && height > 0;
    }
    column(set, name) { return this.display.groups[set.group].columns[name].values; }
    // Points, lines between points of one key, and edges: `at` gives screen x, y of point i of set k.
    drawSets(flatten) {
      const display = this.display, c = this.context, focus = display.focus;
      this.screen = this.spec.sets.map((set) => flatten(set));
      this.spec.sets.forEach((set, k) => {
        const group = display.groups[set.group], place = this.screen[k], { colours, keys, rule } = display.colours(set.group, this.colouring);
        const alike = focus && focus.group === set.group && ["id", "category"].includes(rule.kind) ? focus.keys[this.colouring] : undefined;
        const faded = (i) => (alike !== undefined && alike >= 0 && keys[i] !== alike) || (focus && alike === undefined && false);
        const lines = this.spec.lines && rule.lines ? this.tracks(set.group, this.colouring) : [];
        for (const path of lines) {
          const key = keys[path[0]];
          if (display.isHidden(this.colouring, key)) continue;
          c.strokeStyle = colours[path[0]]; c.globalAlpha = alike === key ? 1 : alike !== undefined && alike >= 0 ? 0.08 : 0.6; c.lineWidth = alike === key ? 2.4 : 1.3;
          c.beginPath();
          path.forEach((i, n) => (n ? c.lineTo(place.x[i], place.y[i]) : c.moveTo(place.x[i], place.y[i])));
          c.stroke();
        }
        if (this.spec.lines && rule.edges) {
          const { first: from, second: to, right } = group.edges[rule.edges];
          for (const good of [1, 0]) {
            c.strokeStyle = good ? display.soft : display.fake; c.globalAlpha = good ? 0.55 : 0.8; c.lineWidth = 1;
            c.beginPath();
            for (let e = 0; e < from.length; e++) if (right[e] === good) { c.moveTo(place.x[from[e]], place.y[from[e]]); c.lineTo(place.x[to[e]], place.y[to[e]]); }
            c.stroke();
          }
        }
        const radius = set.radius ? this.column(set, set.radius) : null, greatest = radius ? range([radius])[1] : 1, base = this.base(group.size);
        place.r = new Float32Array(group.size);
        for (const i of place.order) {
          if (!Number.isFinite(place.x[i]) || !Number.isFinite(place.y[i]) || display.isHidden(this.colouring, keys[i])) continue;
          const grown = radius ? this.spec.disc ? Math.sqrt(Math.max(radius[i], 0) / greatest) * this.spec.disc * Math.min(this.width, this.height) : base * (0.55 + 2.4 * Math.sqrt(Math.max(radius[i], 0) / greatest)) : base;
          const r = Math.max(grown * (place.near ? place.near[i] : 1), 0.8);
          place.r[i] = r;
          c.globalAlpha = faded(i) ? 0.1 : colours[i] === display.none ? 0.6 : this.spec.disc ? 0.72 : 0.92;
          c.fillStyle = c.strokeStyle = colours[i];
          if (place.foot) { c.lineWidth = Math.max(1.5, r * 0.7); c.beginPath(); c.moveTo(place.foot.x[i], place.foot.y[i]); c.lineTo(place.x[i], place.y[i]); c.stroke(); }
          if (r < 1.3 || (group.size > 8000 && this.pointers.size)) c.fillRect(place.x[i] - r, place.y[i] - r, 2 * r, 2 * r);
          else { c.beginPath(); c.arc(place.x[i], place.y[i], r, 0, TAU); c.fill(); }
        }
        if (focus && focus.group === set.group && place.r[focus.index] > 0) {
          c.globalAlpha = 1; c.strokeStyle = display.ink; c.lineWidth = 2;
          c.beginPath(); c.arc(place.x[focus.index], place.y[focus.index], place.r[focus.index] + 3, 0, TAU); c.stroke();
        }
        c.globalAlpha = 1;
      });
    }
    base(count) { return Math.max(1.2, Math.min(4, 55 / Math.sqrt(Math.max(count, 1)) + 1)) * Math.min(1, Math.sqrt(this.width / 420)); }
    // Points of each key in the order along the track: of r or of z, whichever spreads more.
    tracks(index, name) {
      const at = `lines ${index} ${name}`, cache = this.display.paint;
      if (cache.has(at)) return cache.get(at);
      const { keys } = this.display.colours(index, name), group = this.display.groups[index], of = new Map();
      keys.forEach((key, i) => { if (key >= 0) of.has(key) ? of.get(key).push(i) : of.set(key, [i]); });
      const [x, y, z] = group.position.map((one) => group.columns[one].values), found = [];
      for (const list of of.values()) {
        if (list.length < 2) continue;
        const r = (i) => Math.hypot(x[i], y[i]), spread = (f) => { const v = list.map(f); return Math.max(...v) - Math.min(...v); };
        const along = spread((i) => z[i]) > spread(r) ? (i) => z[i] : r;
        found.push(list.sort((a, b) => along(a) - along(b)));
      }
      cache.set(at, found);
      return found;
    }
    pick(x, y) {
      let best = null, least = Infinity;
      (this.screen ?? []).forEach((place, k) => {
        for (let i = 0; i < place.x.length; i++) {
          const r = place.r[i];
          if (!(r > 0)) continue;
          const d = Math.hypot(place.x[i] - x, place.y[i] - y) - r;
          if (d < 9 && d < least) { least = d; best = [this.spec.sets[k], i]; }
        }
      });
      return best && this.describe(...best);
    }
    describe(set, index) {
      const group = this.display.groups[set.group], keys = {};
      for (const name of Object.keys(group.colourings)) keys[name] = this.display.colours(set.group, name).keys[index];
      const rows = Object.entries(group.columns).filter(([, one]) => !one.derived).map(([name, one]) => [one.label ?? name, `${shown(one.values[index], one)}${one.unit ? ` ${one.unit}` : ""}`]);
      const number = group.index ? group.index[index] : index;
      return { group: set.group, index, keys, rows, title: `${group.name} ${number}`, text: `${set.group} ${index}` };
    }
  }

  class Space extends Panel {
    reset() {
      this.yaw = this.spec.yaw ?? -0.6; this.pitch = this.spec.pitch ?? 0.38; this.zoom = 1;
      const three = [0, 1, 2].map((k) => range(this.spec.sets.map((set) => this.column(set, set.axes[k]))));
      if (this.spec.stems) three[1][0] = 0;
      this.ranges = three;
      if (this.spec.stems) this.spec.scale[1] = 0.55 / three[1][1];
      const sides = three.map(([low, high], k) => (high - low) * Math.abs(this.spec.scale[k])), unit = 1 / Math.hypot(...sides);
      this.factor = this.spec.scale.map((one) => one * unit);
      this.centre = three.map(([low, high]) => (low + high) / 2);
      this.outlines = (this.spec.outlines ?? []).map((one) => decode(one));
      // The box around all, modules up to a half wider than the points.
      this.box = three.map(([low, high], k) => range([[low, high], ...this.outlines.map((path) => path.filter((_, i) => i % 3 === k).map((v) => Math.max(low - (high - low) / 4, Math.min(high + (high - low) / 4, v))))]));
    }
    drag(dx, dy) {
      const turn = 0.009, others = this.display.panels.filter((one) => one instanceof Space && one.spec.linked === this.spec.linked);
      for (const one of others) { one.yaw = this.yaw + (one === this ? dx * turn : 0); one.pitch = Math.max(-1.57, Math.min(1.57, this.pitch + (one === this ? dy * turn : 0))); one.zoom = this.zoom; }
      for (const one of others) { one.yaw = this.yaw; one.pitch = this.pitch; }
    }
    zoomBy(ratio) { this.zoom = Math.max(0.3, Math.min(30, this.zoom * ratio)); this.drag(0, 0); }
    // The scale at which the box fits the panel as it is turned, with 16 pixels for the labels.
    fit() {
      this.size = 1;
      const corners = [...Array(8).keys()].map((k) => this.project(this.box[0][k & 1], this.box[1][(k >> 1) & 1], this.box[2][(k >> 2) & 1]));
      const reach = [this.width, this.height].map((side, k) => Math.max(...corners.map((one) => Math.abs(one[k] - side / 2))) / Math.max(side / 2 - 16, 1));
      this.size = this.zoom / Math.max(...reach);
    }
    project(a, b, d) {
      const [ca, sa] = [Math.cos(this.yaw), Math.sin(this.yaw)], [cp, sp] = [Math.cos(this.pitch), Math.sin(this.pitch)];
      const x = (a - this.centre[0]) * this.factor[0], y = (b - this.centre[1]) * this.factor[1], z = (d - this.centre[2]) * this.factor[2];
      const x1 = x * ca + z * sa, z1 = z * ca - x * sa, y1 = y * cp - z1 * sp, depth = z1 * cp + y * sp;
      const near = 1 / (1.75 - depth);
      return [this.width / 2 + x1 * near * this.size, this.height / 2 - y1 * near * this.size, depth, near * 1.75];
    }
    draw() {
      if (!this.begin()) return;
      this.fit();
      this.drawBox();
      this.drawGeometry();
      this.drawSets((set) => {
        const [a, b, d] = set.axes.map((name) => this.column(set, name)), n = a.length;
        const place = { x: new Float32Array(n), y: new Float32Array(n), near: new Float32Array(n) }, bins = Array.from({ length: 48 }, () => []);
        if (this.spec.stems) place.foot = { x: new Float32Array(n), y: new Float32Array(n) };
        for (let i = 0; i < n; i++) {
          const [x, y, depth, near] = this.project(a[i], b[i], d[i]);
          place.x[i] = x; place.y[i] = y; place.near[i] = near;
          if (place.foot) { const foot = this.project(a[i], 0, d[i]); place.foot.x[i] = foot[0]; place.foot.y[i] = foot[1]; }
          bins[Math.max(0, Math.min(47, Math.floor((depth + 0.6) * 40)))].push(i);
        }
        place.order = bins.flat();
        return place;
      });
    }
    drawBox() {
      const c = this.context, display = this.display, r = this.ranges;
      c.strokeStyle = display.line; c.lineWidth = 1; c.fillStyle = display.soft;
      const corner = (k) => this.project(r[0][k & 1], r[1][(k >> 1) & 1], r[2][(k >> 2) & 1]), corners = [...Array(8).keys()].map(corner);
      const back = corners.reduce((far, one, k) => (one[2] < corners[far][2] ? k : far), 0);
      for (let k = 0; k < 8; k++) for (const bit of [1, 2, 4]) if (!(k & bit) && (k === back || (k | bit) === back || !this.spec.stems)) {
        c.globalAlpha = k === back || (k | bit) === back ? 1 : 0.45;
        c.beginPath(); c.moveTo(corners[k][0], corners[k][1]); c.lineTo(corners[k | bit][0], corners[k | bit][1]); c.stroke();
      }
      if (this.spec.stems) { c.globalAlpha = 1; c.beginPath(); [0, 1, 5, 4, 0].forEach((k, n) => (n ? c.lineTo(corners[k][0], corners[k][1]) : c.moveTo(corners[k][0], corners[k][1]))); c.stroke(); }
      c.globalAlpha = 1; c.textAlign = "center"; c.textBaseline = "middle";
      const middle = [this.width / 2, this.height / 2];
      [1, 2, 4].forEach((bit, axis) => {
        const low = (() => { // the lowest edge of this direction on the screen
          let best = 0, greatest = -Infinity;
          for (let k = 0; k < 8; k++) if (!(k & bit)) { const a = corners[k], b = corners[k | bit], m = (a[1] + b[1]) / 2 + (axis === 1 ? Math.abs((a[0] + b[0]) / 2 - middle[0]) * 2 : 0); if (m > greatest) { greatest = m; best = k; } }
          return best;
        })();
        const a = corners[low], b = corners[low | bit], m = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], out = [m[0] - middle[0], m[1] - middle[1]], far = Math.hypot(...out) || 1;
        if (Math.hypot(a[0] - b[0], a[1] - b[1]) < 24) return;
        const put = (p, text, strong) => { c.fillStyle = strong ? display.ink : display.soft; const x = p[0] + (out[0] / far) * 16, y = p[1] + (out[1] / far) * 14; const w = c.measureText(text).width / 2 + 2; c.fillText(text, Math.max(w, Math.min(this.width - w, x)), Math.max(8, Math.min(this.height - 8, y))); };
        put(m, this.spec.labels[axis], true);
        put([a[0] + (b[0] - a[0]) * 0.06, a[1] + (b[1] - a[1]) * 0.06], shown(Number(r[axis][0].toPrecision(3)), {}));
        put([b[0] + (a[0] - b[0]) * 0.06, b[1] + (a[1] - b[1]) * 0.06], shown(Number(r[axis][1].toPrecision(3)), {}));
      });
    }
    drawGeometry() {
      const c = this.context;
      c.strokeStyle = this.display.soft; c.globalAlpha = 0.22; c.lineWidth = 1;
      c.beginPath();
      for (const path of this.outlines) for (let i = 0; i + 2 < path.length; i += 3) { const [x, y] = this.project(path[i], path[i + 1], path[i + 2]); i ? c.lineTo(x, y) : c.moveTo(x, y); }
      c.stroke();
      c.globalAlpha = 1;
    }
  }

  class Plane extends Panel {
    reset() {
      this.view = null;
      this.limits = [0, 1].map((k) => this.spec.range?.[k] ?? range(this.spec.sets.map((set) => this.column(set, set.axes[k]))));
    }
    area() { return { left: 46, right: this.width - 12, top: 10, bottom: this.height - 34 }; }
    frame() {
      const area = this.area(), wide = area.right - area.left, high = area.bottom - area.top;
      if (!this.view) {
        let [[x0, x1], [y0, y1]] = this.limits;
        const grow = 1.08;
        let sx = wide / ((x1 - x0) * grow), sy = high / ((y1 - y0) * grow);
        if (this.spec.equal) sx = sy = Math.min(sx, sy);
        this.view = { x: (x0 + x1) / 2, y: (y0 + y1) / 2, sx, sy, wide, high };
      } else if (this.view.wide !== wide || this.view.high !== high) { this.view = null; return this.frame(); }
      const v = this.view, mx = (area.left + area.right) / 2, my = (area.top + area.bottom) / 2;
      return { area, x: (value) => mx + (value - v.x) * v.sx, y: (value) => my - (value - v.y) * v.sy, v, mx, my };
    }
    drag(dx, dy) { if (this.view) { this.view.x -= dx / this.view.sx; this.view.y += dy / this.view.sy; } }
    zoomBy(ratio, px, py) {
      if (!this.view) return;
      const f = this.frame(), v = this.view, x = v.x + (px - f.mx) / v.sx, y = v.y - (py - f.my) / v.sy;
      v.sx *= ratio; v.sy *= ratio; v.x = x - (px - f.mx) / v.sx; v.y = y + (py - f.my) / v.sy;
    }
    draw() {
      if (!this.begin()) return;
      const f = this.frame();
      this.drawAxes(f);
      const c = this.context;
      c.save(); c.beginPath(); c.rect(f.area.left, f.area.top, f.area.right - f.area.left, f.area.bottom - f.area.top); c.clip();
      if (this.spec.outlines) {
        this.outlines ??= this.spec.outlines.map((one) => decode(one));
        c.strokeStyle = this.display.soft; c.globalAlpha = 0.22; c.beginPath();
        for (const path of this.outlines) for (let i = 0; i + 1 < path.length; i += 2) i ? c.lineTo(f.x(path[i]), f.y(path[i + 1])) : c.moveTo(f.x(path[i]), f.y(path[i + 1]));
        c.stroke(); c.globalAlpha = 1;
      }
      this.drawSets((set) => {
        const [a, b] = set.axes.map((name) => this.column(set, name)), place = { x: a.map(f.x), y: b.map(f.y) };
        const radius = set.radius && this.spec.disc ? this.column(set, set.radius) : null;
        place.order = [...a.keys()];
        if (radius) place.order.sort((i, j) => radius[j] - radius[i]);
        return place;
      });
      c.restore();
    }
    drawAxes(f) {
      const c = this.context, display = this.display, { area, v } = f;
      c.strokeStyle = display.line; c.fillStyle = display.soft; c.lineWidth = 1;
      c.textAlign = "center"; c.textBaseline = "top";
      const x0 = v.x - (f.mx - area.left) / v.sx, x1 = v.x + (area.right - f.mx) / v.sx, y0 = v.y - (area.bottom - f.my) / v.sy, y1 = v.y + (f.my - area.top) / v.sy;
      for (const t of niceTicks(x0, x1, Math.max(2, this.width / 90))) { c.globalAlpha = 0.6; c.beginPath(); c.moveTo(f.x(t), area.top); c.lineTo(f.x(t), area.bottom); c.stroke(); c.globalAlpha = 1; c.fillText(String(t), f.x(t), area.bottom + 5); }
      c.textAlign = "right"; c.textBaseline = "middle";
      for (const t of niceTicks(y0, y1, Math.max(2, this.height / 60))) { c.globalAlpha = 0.6; c.beginPath(); c.moveTo(area.left, f.y(t)); c.lineTo(area.right, f.y(t)); c.stroke(); c.globalAlpha = 1; c.fillText(String(t), area.left - 5, f.y(t)); }
      c.fillStyle = display.ink; c.textBaseline = "bottom";
      c.fillText(this.spec.labels[0], area.right, this.height - 2);
      c.save(); c.translate(10, area.top); c.rotate(-Math.PI / 2); c.textAlign = "right"; c.textBaseline = "middle"; c.fillText(this.spec.labels[1], 0, 0); c.restore();
    }
  }

  // A decay tree: nodes at places of the layout, lines to their mothers.
  class Tree extends Plane {
    area() { return { left: 8, right: this.width - 8, top: 8, bottom: this.height - 8 }; }
    draw() {
      if (!this.begin()) return;
      const f = this.frame(), c = this.context, [set] = this.spec.sets, mother = this.column(set, this.spec.mother), [a, b] = set.axes.map((name) => this.column(set, name));
      const { colours } = this.display.colours(set.group, this.colouring), names = this.spec.names, focus = this.display.focus;
      const line = new Set(), place = { x: a.map(f.x), y: b.map(f.y), r: new Float32Array(a.length).fill(5), order: [] };
      if (focus && focus.group === set.group) for (let i = focus.index; i >= 0 && !line.has(i); i = mother[i]) line.add(i);
      for (let i = 0; i < a.length; i++) if (mother[i] >= 0) {
        const [x0, y0, x1, y1] = [place.x[mother[i]], place.y[mother[i]], place.x[i], place.y[i]];
        c.strokeStyle = line.has(i) && line.has(mother[i]) ? this.display.ink : colours[i]; c.globalAlpha = line.size && !line.has(i) ? 0.25 : 0.75; c.lineWidth = line.has(i) ? 2.5 : 1.3;
        c.beginPath(); c.moveTo(x0, y0); c.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1); c.stroke();
      }
      c.textBaseline = "middle"; c.textAlign = "left";
      const gap = f.v.sy;
      for (let i = 0; i < a.length; i++) {
        c.globalAlpha = line.size && !line.has(i) ? 0.35 : 1;
        c.fillStyle = colours[i]; c.beginPath(); c.arc(place.x[i], place.y[i], gap < 9 ? 2.5 : 4.5, 0, TAU); c.fill();
        if (gap >= 9 || line.has(i)) { c.fillStyle = this.display.ink; c.fillText(names[i], place.x[i] + 7, place.y[i]); }
      }
      c.globalAlpha = 1;
      this.screen = [place];
    }
  }

  // A matrix as an image, e.g. wires against time.
  class Picture extends Plane {
    reset() { this.view = null; const [rows, columns] = this.spec.shape; this.limits = [[0, columns], [0, rows]]; }
    pixels() {
      if (this.image && this.imageDark === this.display.dark) return this.image;
      const [rows, columns] = this.spec.shape;
      if (!this.values) {
        this.values = new Float32Array(rows * columns);
        const at = decode(this.spec.at), values = decode(this.spec.values);
        at.forEach((one, i) => { this.values[one] = values[i]; });
      }
      const made = document.createElement("canvas"), c = made.getContext("2d");
      made.width = columns; made.height = rows;
      const image = c.createImageData(columns, rows), [low, high] = this.spec.levels;
      for (let i = 0; i < this.values.length; i++) {
        const v = this.values[i];
        if (v === this.spec.empty) continue;
        const [r, g, b] = scaleColour(Math.sqrt(Math.max(v - low, 0) / (high - low || 1))).match(/\d+/g), row = rows - 1 - Math.floor(i / columns), k = 4 * (row * columns + (i % columns));
        image.data[k] = r; image.data[k + 1] = g; image.data[k + 2] = b; image.data[k + 3] = 255;
      }
      c.putImageData(image, 0, 0);
      this.image = made; this.imageDark = this.display.dark;
      return made;
    }
    draw() {
      if (!this.begin()) return;
      const f = this.frame(), c = this.context, [rows, columns] = this.spec.shape;
      this.drawAxes(f);
      c.save(); c.beginPath(); c.rect(f.area.left, f.area.top, f.area.right - f.area.left, f.area.bottom - f.area.top); c.clip();
      c.imageSmoothingEnabled = f.v.sx < 1;
      c.drawImage(this.pixels(), f.x(0), f.y(rows), f.v.sx * columns, f.v.sy * rows);
      c.strokeStyle = this.display.line; c.strokeRect(f.x(0), f.y(rows), f.v.sx * columns, f.v.sy * rows);
      c.restore();
    }
    pick(px, py) {
      const f = this.frame(), x = Math.floor(f.v.x + (px - f.mx) / f.v.sx), y = Math.floor(f.v.y - (py - f.my) / f.v.sy), [rows, columns] = this.spec.shape;
      if (x < 0 || y < 0 || x >= columns || y >= rows) return null;
      this.pixels();
      return { group: -1, index: 0, keys: {}, title: this.spec.title, text: `${this.spec.title} ${x} ${y}`, rows: [[this.spec.labels[0], String(x)], [this.spec.labels[1], String(y)], ["value", shown(this.values[y * columns + x], {})]] };
    }
  }

  const start = (root) => {
    const payload = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const open = () => { root.replaceChildren(); root.display = new Display(root, payload); };
    if (document.querySelector(".ev-theme") || !("IntersectionObserver" in window)) { open(); return; } // a page of its own
    const seen = new IntersectionObserver((entries) => { if (entries.some((one) => one.isIntersecting)) { seen.disconnect(); open(); } }, { rootMargin: "200px" });
    seen.observe(root);
  };
  for (const root of document.querySelectorAll(".ev-display")) start(root);
  const toggle = document.querySelector(".ev-theme");
  if (toggle) toggle.onclick = () => {
    const dark = getComputedStyle(document.documentElement).getPropertyValue("--ev-dark").trim() === "1";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    for (const root of document.querySelectorAll(".ev-display")) root.display?.restyle();
  };
})();
