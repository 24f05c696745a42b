// Small distances on the earth: near enough for what a camera sees, which is never farther than a few kilometres.

const METRES_PER_DEGREE = 111_195; // of a sphere of 6,371 km
const RAD = Math.PI / 180;

// Places are [lon, lat], as GeoJSON has them.
export function moved([lon, lat], east_m, north_m) {
  return [lon + east_m / (METRES_PER_DEGREE * Math.max(1e-6, Math.cos(lat * RAD))), lat + north_m / METRES_PER_DEGREE];
}

export function sector(place, heading_deg, fov_deg, range_m) {
  const steps = Math.max(2, Math.ceil(fov_deg / 5));
  const arc = Array.from({ length: steps + 1 }, (_, i) => {
    const bearing = (heading_deg - fov_deg / 2 + (fov_deg * i) / steps) * RAD;
    return moved(place, range_m * Math.sin(bearing), range_m * Math.cos(bearing));
  });
  return fov_deg >= 360 ? arc : [place, ...arc, place];
}

// The major axis points to axis_deg from north; a circle when there is only one radius.
export function ellipse(place, major_m, minor_m = major_m, axis_deg = 0) {
  const [sine, cosine] = [Math.sin(axis_deg * RAD), Math.cos(axis_deg * RAD)];
  return Array.from({ length: 49 }, (_, i) => {
    const [along, across] = [major_m * Math.cos((i * Math.PI) / 24), minor_m * Math.sin((i * Math.PI) / 24)];
    return moved(place, along * sine + across * cosine, along * cosine - across * sine);
  });
}

export function bounds(places) {
  const [lons, lats] = [places.map(([lon]) => lon), places.map(([, lat]) => lat)];
  return [[Math.min(...lons), Math.min(...lats)], [Math.max(...lons), Math.max(...lats)]];
}

// Lines every 1, 2 or 5 times a power of ten metres, so that they stand some ninety pixels apart; counted from `origin`.
export function grid(origin, [[west, south], [east, north]], metres_per_px) {
  const least = 90 * metres_per_px;
  const power = 10 ** Math.floor(Math.log10(least));
  const step_m = power * [1, 2, 5, 10].find((times) => times * power >= least);
  const [lon_step, lat_step] = moved(origin, step_m, step_m).map((value, axis) => value - origin[axis]);
  const lines = [];
  const add = (from, to, number) => lines.push({ type: "Feature", properties: { main: number % 5 === 0 }, geometry: { type: "LineString", coordinates: [from, to] } });
  for (let i = Math.ceil((west - origin[0]) / lon_step); i <= (east - origin[0]) / lon_step && lines.length < 400; i++) {
    add([origin[0] + i * lon_step, south], [origin[0] + i * lon_step, north], i);
  }
  for (let i = Math.ceil((south - origin[1]) / lat_step); i <= (north - origin[1]) / lat_step && lines.length < 800; i++) {
    add([west, origin[1] + i * lat_step], [east, origin[1] + i * lat_step], i);
  }
  return { step_m, lines };
}
