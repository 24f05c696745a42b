// Where things are: camera sectors, groups with heading, error ellipse and trail. The library is loaded only once there
// is something to draw, and nothing is drawn again unless it changed: a control room's machine may have no graphics card.

import { openBase, style } from "./basemap.js";
import { $, heading, make } from "./dom.js";
import { bounds, ellipse, grid, sector } from "./ground.js";
import { calls, keyOf } from "./state.js";
import { titleOf } from "./rows.js";

const UNKNOWN_RANGE_M = 150;
const NINE_IN_TEN = 2.146; // sigmas of a two-dimensional normal distribution
const CLOSEST_ZOOM = 16;
const LOST = new Set(["blind", "offline", "silent", "unknown"]);
const NO_WEBGL = "This browser cannot draw a map (it has no WebGL 2). The list and the pictures beside it say everything.";

export class Place {
  #open; // what to do when a group is chosen
  map = null;
  #loading = null;
  #library = null;
  #base = null;
  #data = {};
  #pins = new Map(); // key -> { marker, text }
  #cameras = new Map();
  #texts = new Map(); // what a source shows now, to leave it alone while that is the same
  #free = true; // the operator has not moved the map: keep everything in sight
  #selected = null;
  word = null; // why there is no map

  constructor(open) {
    this.#open = open;
    if (!document.createElement("canvas").getContext("webgl2")) this.word = NO_WEBGL;
  }

  get works() { return this.word === null; }

  // Shows what is placed; `trails` are lists of [lon, lat] by key. Draws nothing while the map is out of sight.
  show({ alerts, nodes, selected, trails, hasBase, theme }) {
    const cameras = nodes.flatMap(posed);
    const groups = alerts.filter((one) => one.data.position);
    if (!this.works || !$("map").offsetParent || !(cameras.length || groups.length)) return;
    this.wanted = { cameras, groups, selected, trails, hasBase, theme };
    if (this.map) this.#draw();
    else this.#loading ??= this.#load().catch((error) => {
      this.word = /WebGL/i.test(error.message) ? NO_WEBGL : `The map cannot be shown: ${error.message}`;
    });
  }

  all() {
    this.#free = true;
    this.#fit();
  }

  async #load() {
    const { hasBase, theme } = this.wanted;
    const sheet = make("link", { rel: "stylesheet", href: "vendor/maplibre-gl.css" });
    const [library] = await Promise.all([import("./vendor/maplibre-gl.mjs"), new Promise((done) => { sheet.onload = sheet.onerror = done; document.head.prepend(sheet); })]);
    this.#library = library;
    if (hasBase) {
      try {
        this.#base = await openBase(library, new URL("api/v1/map.pmtiles", document.baseURI).href);
      } catch (error) {
        $("map-word").textContent = `The base map cannot be read: ${error.message}`;
      }
    }
    this.#collect();
    const map = new library.Map({
      container: "map", style: style(theme, this.#base, this.#data), attributionControl: false, dragRotate: false, pitchWithRotate: false,
      touchPitch: false, maxZoom: 19, fadeDuration: 0, bounds: this.#bounds(), fitBoundsOptions: this.#room(), localIdeographFontFamily: "sans-serif",
      locale: { "Map.Title": "Map. Arrow keys move it, plus and minus change the scale." },
    });
    map.touchZoomRotate.disableRotation();
    map.keyboard.disableRotation();
    map.addControl(new library.NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new library.ScaleControl({ unit: "metric", maxWidth: 160 }), "bottom-left");
    map.on("movestart", (event) => { if (event.originalEvent) this.#free = false; });
    map.on("moveend", () => this.#grid());
    map.on("resize", () => this.#fit());
    map.on("error", ({ error }) => { $("map-word").textContent = `The map has a fault: ${error?.message ?? "unknown"}`; });
    map.once("load", () => { $("map").dataset.ready = "yes"; });
    $("map-said").textContent = this.#base?.said ?? "";
    this.map = map;
    this.theme = theme;
    await new Promise((done) => map.once("style.load", done));
    this.#draw();
    this.#grid();
  }

  #draw() {
    const { selected, theme } = this.wanted;
    if (!this.map.style?._loaded && !this.map.isStyleLoaded()) {
      this.map.once("style.load", () => this.#draw());
      return;
    }
    const before = this.#texts.get("placed");
    this.#collect();
    if (theme !== this.theme) {
      this.theme = theme;
      this.map.setStyle(style(theme, this.#base, this.#data));
    } else for (const name of ["sectors", "errors", "trails"]) this.#put(name, this.#data[name]);
    this.#pinGroups();
    this.#labelCameras();
    const chosen = selected !== this.#selected && this.wanted.groups.find((one) => keyOf(one) === selected);
    this.#selected = selected;
    if (this.#texts.get("placed") !== before) this.#fit();
    if (chosen) this.#reach(at(chosen));
  }

  #collect() {
    const { cameras, groups, selected, trails } = this.wanted;
    const feature = (type, coordinates, properties) => ({ type: "Feature", properties, geometry: { type, coordinates: type === "Polygon" ? [coordinates] : coordinates } });
    const named = (one) => ({ priority: one.data.priority, selected: keyOf(one) === selected });
    this.#data.sectors = collection(cameras.map(({ pose, state }) => feature("Polygon", sector([pose.lon, pose.lat], pose.heading_deg, pose.fov_deg, pose.range_m ?? UNKNOWN_RANGE_M), { state, lost: LOST.has(state) })));
    this.#data.errors = collection(groups.map((one) => feature("Polygon", ring(one), named(one))));
    this.#data.trails = collection(groups.filter((one) => trails.get(keyOf(one))?.length > 1).map((one) => feature("LineString", trails.get(keyOf(one)), named(one))));
    this.#texts.set("placed", [...cameras.map((one) => `${one.node}/${one.camera}`), ...groups.map(keyOf)].sort().join());
  }

  #put(name, data) {
    const text = JSON.stringify(data);
    if (this.#texts.get(name) === text) return;
    this.#texts.set(name, text);
    this.map.getSource(name)?.setData(data);
  }

  // The number stands above the place itself, so that it hides neither the ellipse nor the way that the group came.
  #pinGroups() {
    const { groups, selected } = this.wanted;
    this.#keep(this.#pins, groups, keyOf, (one) => {
      const { data } = one;
      const known = data.heading_deg !== undefined;
      const names = ["group", data.priority, calls(one) ? "calls" : "", data.phase === "end" ? "over" : "", keyOf(one) === selected ? "selected" : ""];
      const label = `${titleOf(one)}${known ? `, heading ${heading(data.heading_deg)}` : ""}, give or take ${Math.round(data.position.ce_m)} m`;
      const pin = make("button", { type: "button", class: "pin", "data-key": keyOf(one), "aria-label": label, onclick: () => this.#open(keyOf(one)) }, String(data.count));
      const way = make("span", { class: known ? "way" : "way unknown" });
      if (known) way.style.transform = `rotate(${data.heading_deg}deg)`;
      return { element: make("div", { class: names.filter(Boolean).join(" ") }, way, pin), place: at(one), anchor: "center" };
    });
  }

  #labelCameras() {
    const poles = Map.groupBy(this.wanted.cameras, ({ node, pose }) => `${node} ${pose.lat.toFixed(5)} ${pose.lon.toFixed(5)}`);
    this.#keep(this.#cameras, [...poles], ([pole]) => pole, ([, cameras]) => ({
      element: make("div", { class: "spot" }, make("b", {}, cameras[0].node), ...cameras.map(({ camera, state }) => make("span", { class: LOST.has(state) ? "lost" : "" }, LOST.has(state) ? `✕ ${camera} ${state}` : camera))),
      place: [cameras[0].pose.lon, cameras[0].pose.lat], anchor: "top",
    }));
  }

  // Makes, replaces and removes markers so that they are as `things` say, and touches none that is right already.
  #keep(held, things, key, made) {
    const wanted = new Map(things.map((one) => [key(one), made(one)]));
    for (const [name, { marker }] of held) {
      if (!wanted.has(name)) {
        marker.remove();
        held.delete(name);
      }
    }
    for (const [name, { element, place, anchor }] of wanted) {
      const text = element.outerHTML;
      const old = held.get(name);
      if (old?.text === text) {
        if (old.place.join() !== place.join()) old.marker.setLngLat((old.place = place));
        continue;
      }
      const focused = old?.marker.getElement().contains(document.activeElement);
      old?.marker.remove();
      const marker = new this.#library.Marker({ element, anchor }).setLngLat(place).addTo(this.map);
      held.set(name, { marker, place, text });
      if (focused) element.querySelector("button")?.focus();
    }
  }

  #bounds() {
    const { cameras, groups } = this.wanted;
    const corners = (one) => sector([one.pose.lon, one.pose.lat], one.pose.heading_deg, one.pose.fov_deg, one.pose.range_m ?? UNKNOWN_RANGE_M);
    return bounds([...cameras.flatMap(corners), ...groups.flatMap(ring)]);
  }

  #room() {
    const px = Math.min(80, $("map").clientHeight / 6, $("map").clientWidth / 6);
    return { padding: px, maxZoom: CLOSEST_ZOOM };
  }

  #fit() {
    if (this.#free && this.map) this.map.fitBounds(this.#bounds(), { ...this.#room(), duration: 600 });
  }

  #reach(place) {
    if (!this.map.getBounds().contains(place)) this.map.easeTo({ center: place, duration: 600 });
  }

  #grid() {
    if (this.#base || !this.map.getSource("grid")) return;
    const { cameras, groups } = this.wanted;
    const origin = cameras.length ? [cameras[0].pose.lon, cameras[0].pose.lat] : at(groups[0]);
    const seen = this.map.getBounds().toArray();
    const metres_per_px = (78271.517 * Math.cos((origin[1] * Math.PI) / 180)) / 2 ** this.map.getZoom();
    const { step_m, lines } = grid(origin, seen, metres_per_px);
    this.#data.grid = collection(lines);
    this.#put("grid", this.#data.grid);
    $("map-said").textContent = `grid ${step_m >= 1000 ? `${step_m / 1000} km` : `${step_m} m`}`;
  }
}

const at = (one) => [one.data.position.lon, one.data.position.lat];

// Holds the true place nine times in ten; a node tells one sigma, as an ellipse or only as a distance.
function ring(one) {
  const { ce_m, ellipse: sigma } = one.data.position;
  return sigma ? ellipse(at(one), NINE_IN_TEN * sigma.major_m, NINE_IN_TEN * sigma.minor_m, sigma.major_deg) : ellipse(at(one), (NINE_IN_TEN * ce_m) / Math.SQRT2);
}

const collection = (features) => ({ type: "FeatureCollection", features });

// The cameras of a node that told where they stand, and how they are.
export function posed(node) {
  return node.cameras.flatMap((camera) => {
    const pose = node.about?.poses?.[camera.camera];
    return pose ? [{ node: node.node, camera: camera.camera, pose, state: camera.state }] : [];
  });
}
