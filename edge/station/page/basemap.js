// The style of the map: the operator's own PMTiles archive below, our sectors, groups and trails above.
//
// A vector archive may follow any schema; what its layers and kinds are called in the two common ones (Protomaps and
// OpenMapTiles) decides the colours, and what is not known is drawn as a thin line. Quiet on purpose: groups are what is
// to be seen. Names are written by the browser's own fonts, because fonts from elsewhere would need a network.

const TONES = {
  dark: { ground: "#10161d", land: "#151d26", green: "#16241f", water: "#12283d", built: "#1c2530", road: "#465361", thin: "#37434f", border: "#d0a6ff", word: "#c9d4de", halo: "#0b0f14", grid: "#25303b", main: "#3a4856",
    urgent: "#ff6b61", important: "#ffb938", routine: "#9cc9ff", ok: "#6fdc8c", lost: "#ff6b61" },
  light: { ground: "#e4e9ed", land: "#f3f4f1", green: "#dfeadb", water: "#c3dbee", built: "#dfdcd6", road: "#a9b2ba", thin: "#c3cad0", border: "#6b2fa8", word: "#2b3640", halo: "#ffffff", grid: "#d3dae0", main: "#b4bfc9",
    urgent: "#b3140b", important: "#8a4b00", routine: "#14508f", ok: "#0f6b2d", lost: "#b3140b" },
};
const GREEN = /wood|forest|grass|park|scrub|meadow|farm|vegetation|landcover|nature|natural|orchard|wetland/;
const NAMED = /place|peak|mountain|water_?name|poi/;
const empty = { type: "FeatureCollection", features: [] };

export function style(theme, base, data) {
  const tone = TONES[theme];
  const shown = { ...empty, ...data };
  const sources = Object.fromEntries(["grid", "sectors", "errors", "trails"].map((name) => [name, { type: "geojson", data: shown[name] ?? empty }]));
  if (base) sources.base = base.source;
  return {
    version: 8,
    sources,
    layers: [
      { id: "ground", type: "background", paint: { "background-color": tone.ground } },
      ...(base ? baseLayers(base, tone) : []),
      { id: "grid", type: "line", source: "grid", paint: { "line-color": ["case", ["get", "main"], tone.main, tone.grid], "line-width": ["case", ["get", "main"], 1.6, 1] } },
      { id: "sectors", type: "fill", source: "sectors", paint: { "fill-color": stateColour(tone), "fill-opacity": ["case", ["get", "lost"], 0.3, 0.12] } },
      { id: "sector-edges", type: "line", source: "sectors", filter: ["!", ["get", "lost"]], paint: { "line-color": stateColour(tone), "line-width": 2 } },
      { id: "lost-edges", type: "line", source: "sectors", filter: ["get", "lost"], paint: { "line-color": stateColour(tone), "line-width": 4, "line-dasharray": [2, 1.5] } },
      { id: "errors", type: "fill", source: "errors", paint: { "fill-color": loudness(tone), "fill-opacity": 0.22 } },
      { id: "error-edges", type: "line", source: "errors", paint: { "line-color": loudness(tone), "line-width": 2 } },
      { id: "trails", type: "line", source: "trails", layout: { "line-join": "round", "line-cap": "round" }, paint: { "line-color": loudness(tone), "line-width": ["case", ["get", "selected"], 6, 4] } },
    ],
  };
}

const loudness = (tone) => ["match", ["get", "priority"], "urgent", tone.urgent, "important", tone.important, tone.routine];
const stateColour = (tone) => ["case", ["get", "lost"], tone.lost, ["==", ["get", "state"], "ok"], tone.ok, tone.important];

function baseLayers(base, tone) {
  if (!base.vector) return [{ id: "base", type: "raster", source: "base", paint: { "raster-opacity": 0.75, "raster-saturation": -0.4 } }];
  const name = ["coalesce", ["get", "name"], ""];
  const kind = ["to-string", ["coalesce", ["get", "kind"], ["get", "class"], ""]];
  const drawn = base.layers.filter((id) => !NAMED.test(id)).sort((a, b) => depth(a) - depth(b)).flatMap((id) => {
    const of = { source: "base", "source-layer": id };
    const [fill, line] = colours(id, tone);
    const areas = fill && { id: `${id}-areas`, type: "fill", ...of, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": /landuse|landcover|natural/.test(id) ? ["case", ["in", kind, ["literal", GREEN_KINDS]], tone.green, fill] : fill } };
    const lines = { id: `${id}-lines`, type: "line", ...of, filter: ["==", ["geometry-type"], "LineString"], paint: line };
    return [areas, lines].filter(Boolean);
  });
  const words = base.layers.filter((id) => NAMED.test(id)).map((id) => ({
    id: `${id}-words`, type: "symbol", source: "base", "source-layer": id, filter: ["all", ["==", ["geometry-type"], "Point"], ["!=", name, ""]],
    layout: { "text-field": name, "text-font": ["sans-serif"], "text-size": 14 },
    paint: { "text-color": tone.word, "text-halo-color": tone.halo, "text-halo-width": 1.5 },
  }));
  return [...drawn, ...words];
}

const GREEN_KINDS = ["wood", "forest", "grass", "grassland", "park", "scrub", "meadow", "farmland", "orchard", "wetland", "nature_reserve", "national_park"];
const ORDER = [/earth|land$/, /landcover|landuse|natural/, /water/, /building/, /transit|road|transport/, /bound/];
const depth = (id) => { const at = ORDER.findIndex((one) => one.test(id)); return at < 0 ? ORDER.length : at; };

function colours(id, tone) {
  const width = (near) => ["interpolate", ["exponential", 1.6], ["zoom"], 8, 0.6, 16, near];
  if (/water/.test(id)) return [tone.water, { "line-color": tone.water, "line-width": width(5) }];
  if (/bound/.test(id)) return [null, { "line-color": tone.border, "line-width": 2.5, "line-dasharray": [4, 2] }];
  if (/building/.test(id)) return [tone.built, { "line-color": tone.thin, "line-width": 1 }];
  if (/road|transport|transit/.test(id)) return [null, { "line-color": tone.road, "line-width": width(6) }];
  if (GREEN.test(id)) return [tone.green, { "line-color": tone.thin, "line-width": 1 }];
  return [/earth|land/.test(id) ? tone.land : null, { "line-color": tone.thin, "line-width": 1 }];
}

// Registers the archive with the map library and learns from its header what it holds.
export async function openBase(maplibre, url) {
  const { PMTiles, Protocol } = await reader();
  const protocol = new Protocol();
  maplibre.addProtocol("pmtiles", protocol.tile);
  const archive = new PMTiles(url);
  protocol.add(archive);
  const header = await archive.getHeader();
  const about = await archive.getMetadata();
  const vector = header.tileType === 1;
  const said = typeof about?.attribution === "string" ? new DOMParser().parseFromString(about.attribution, "text/html").body.textContent : "";
  return {
    vector,
    said,
    layers: (about?.vector_layers ?? []).map((layer) => layer.id),
    source: {
      type: vector ? "vector" : "raster",
      tiles: [`pmtiles://${url}/{z}/{x}/{y}`],
      ...(vector ? {} : { tileSize: 256 }),
      minzoom: header.minZoom,
      maxzoom: header.maxZoom,
      bounds: [header.minLon, header.minLat, header.maxLon, header.maxLat],
    },
  };
}

// Its build for browsers sets a global name; the one of modules asks for a second package by a bare name.
function reader() {
  return globalThis.pmtiles ?? new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "vendor/pmtiles.js";
    script.onload = () => done(globalThis.pmtiles);
    script.onerror = () => failed(new Error("vendor/pmtiles.js cannot be loaded"));
    document.head.append(script);
  });
}
