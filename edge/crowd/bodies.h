// One followed body: how it moves, what a box teaches of it, and how far it is believed. Specifications: bodies.py and
// belief.py in edge/pipeline.

#ifndef EDGE_CROWD_BODIES_H_
#define EDGE_CROWD_BODIES_H_

#include "grid.h"

namespace edge {

// The same as a row of ``Bodies``.
struct Body {
  Point place, velocity, size, seen_place, born_place, seen_velocity;
  double moved_heights, place_var, mixed_var, velocity_var, surprise, score, mean_score, strength, first_seen_s, last_seen_s, hidden_s;
  int64_t id, hits, looks, cover;  // cover: the id of the body it vanished behind, or 0
  bool confirmed, leaving;

  double longer_side() const { return std::max(size.x, size.y); }
  double height_px() const { return std::max(longer_side(), 1.0); }
  bool in_sight() const { return confirmed && hidden_s == 0.0; }
};

struct Box {
  Point place, size;
  double score;
  int kind;

  double height_px() const { return std::max({size.x, size.y, 1.0}); }
};

struct Beliefs {  // belief.py
  double strengths[8], still[8], moved[8], still_heights, moved_heights;
  double on_another[4], weak_on_another[4], sure_on_another[4], sure_strength;
  double hidden_s[6], hidden_alone[6], hidden_on_another[6];
};

struct Settings {  // in the order in which compiled_tracker.py joins them
  double measured_px, measured_heights, noise, calm, wild, strength_s, tiny_s, surprise_s, size_s, coast_s;  // bodies.py
  double newborn_heights_s, lost_heights;
  double neighbours, gate_sigma, gate_heights, size_px, size_share, size_cost, size_gate, trust_cost, benefit;  // association.py
  double tight_s, tight_score, direct_s, left_s, out_share, doubtful, doubtful_s, stall_s, gap_s, covered_share, seen_share;  // tracker.py
  double companion_heights, speed_slack_heights;
  double reappear_heights, reappear_heights_s, reappear_max_heights, reappear_stray_heights, reappear_stray_s;
  double reappear_walk_s, reappear_size, reappear_size_share, reappear_lead;
  double start_score, believe_score, hidden_s, tentative_s, confirm_hits, confirm_s, max_speed_heights_s, duplicate_overlap;  // configured
  Beliefs beliefs;
};

// One frame: when, how large, and how the camera moved.
struct Scene {
  double t_s, elapsed_s, ffc, width_px, height_px;  // 0 where the size is unknown
  double dx_px, dy_px, linear[4], known;
};

// What all bodies share in one frame: ``Gains``.
struct Moment {
  double t_s, elapsed_s, surprise_gain, size_gain, kept;

  Moment(const Scene& scene, const Settings& by)
      : t_s(scene.t_s),
        elapsed_s(scene.elapsed_s),
        surprise_gain(1.0 - std::exp(-scene.elapsed_s / by.surprise_s)),
        size_gain(1.0 - std::exp(-scene.elapsed_s / by.size_s)),
        kept(std::exp(-scene.elapsed_s / by.coast_s)) {}
};

inline double measured_var(double height_px, const Settings& by) {
  const double error = by.measured_px + by.measured_heights * height_px;
  return error * error;
}

// ``Bodies.move_with_camera``: where one body is in a picture that shows the scene elsewhere.
inline void move_with_camera(Body& one, const Scene& scene, const Settings& by) {
  if (scene.known == 0) {
    const double doubt = by.lost_heights * one.height_px();
    one.place_var += doubt * doubt;
    return;
  }
  const auto& [a, b, c, d] = scene.linear;
  const auto turned = [&](const Point& at) { return Point{a * at.x + b * at.y, c * at.x + d * at.y}; };
  for (Point* at : {&one.place, &one.seen_place, &one.born_place}) {
    *at = turned(*at);
    *at = {at->x + scene.dx_px, at->y + scene.dy_px};
  }
  one.velocity = turned(one.velocity);
  one.seen_velocity = turned(one.seen_velocity);
  const double larger = std::sqrt(std::fabs(a * d - b * c));
  one.size = {one.size.x * larger, one.size.y * larger};
}

// ``Bodies.coast``: predict one body; out of sight it keeps a share of its velocity.
inline void coast(Body& one, const Moment& now, const Settings& by) {
  const double elapsed_s = now.elapsed_s;
  const double height = one.height_px();
  const double noise = by.noise * (height * height) * std::min(std::max(one.surprise, by.calm), by.wild);
  if (one.hidden_s > 0.0) one.velocity = {one.velocity.x * now.kept, one.velocity.y * now.kept};
  one.place = {one.place.x + one.velocity.x * elapsed_s, one.place.y + one.velocity.y * elapsed_s};
  one.place_var = one.place_var + 2.0 * one.mixed_var * elapsed_s + one.velocity_var * (elapsed_s * elapsed_s) +
                  noise * (elapsed_s * elapsed_s * elapsed_s / 3.0);
  one.mixed_var = one.mixed_var + one.velocity_var * elapsed_s + noise * (elapsed_s * elapsed_s / 2.0);
  one.velocity_var = one.velocity_var + noise * elapsed_s;
}

// ``Bodies.see``: correct one body by its box.
inline void see(Body& body, const Box& box, double trust, const Moment& now, const Settings& by) {
  const double total_var = body.place_var + measured_var(body.height_px(), by);
  const double gain = trust * body.place_var / total_var, velocity_gain = trust * body.mixed_var / total_var;
  const Point missed{box.place.x - body.place.x, box.place.y - body.place.y};
  body.place = {body.place.x + gain * missed.x, body.place.y + gain * missed.y};
  body.velocity = {body.velocity.x + velocity_gain * missed.x, body.velocity.y + velocity_gain * missed.y};
  body.velocity_var -= velocity_gain * body.mixed_var;
  body.place_var *= 1.0 - gain;
  body.mixed_var *= 1.0 - gain;
  const double strain = (missed.x * missed.x + missed.y * missed.y) / (2.0 * total_var);
  body.surprise += trust * now.surprise_gain * (strain - body.surprise);
  body.hits += 1;
  const double mean_gain = 1.0 / static_cast<double>(body.hits), size_gain = trust * std::max(mean_gain, now.size_gain);
  body.size = {body.size.x + size_gain * (box.size.x - body.size.x), body.size.y + size_gain * (box.size.y - body.size.y)};
  body.seen_place = body.place;
  body.seen_velocity = body.velocity;
  body.moved_heights = std::max(body.moved_heights, apart(body.place, body.born_place) / body.height_px());
  body.score = box.score;
  body.mean_score += (box.score - body.mean_score) / static_cast<double>(body.hits);
  const double just_s = std::max(now.elapsed_s, by.tiny_s), gap_s = body.hidden_s + just_s;
  const double strength_gain = std::max(mean_gain, 1.0 - std::exp(-gap_s / by.strength_s));
  body.strength += strength_gain * (box.score * (just_s / gap_s) - body.strength);
  body.last_seen_s = now.t_s;
  body.hidden_s = 0.0;
  body.leaving = false;
}

// ``Bodies.add``: begin a body.
inline Body born(int64_t id, const Box& box, const Point& velocity, double t_s, const Settings& by) {
  Body one{};
  const double doubt = by.newborn_heights_s * box.height_px();
  one.place = one.seen_place = one.born_place = box.place;
  one.velocity = one.seen_velocity = velocity;
  one.size = box.size;
  one.place_var = measured_var(box.height_px(), by);
  one.velocity_var = doubt * doubt;
  one.surprise = 1.0;
  one.score = one.mean_score = one.strength = box.score;
  one.first_seen_s = one.last_seen_s = t_s;
  one.id = id;
  one.hits = one.looks = 1;
  return one;
}

// As np.interp.
template <size_t kCount>
inline double interpolated(double x, const double (&xs)[kCount], const double (&ys)[kCount]) {
  if (!(x > xs[0])) return ys[0];
  if (x >= xs[kCount - 1]) return ys[kCount - 1];
  size_t at = 0;
  while (x >= xs[at + 1]) ++at;
  return (ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at]) * (x - xs[at]) + ys[at];
}

// ``seen_belief`` of one body.
inline double seen_belief(const Body& one, const Beliefs& by) {
  const double way = (one.moved_heights - by.still_heights) / (by.moved_heights - by.still_heights);
  const double still = interpolated(one.strength, by.strengths, by.still);
  const double moved = interpolated(one.strength, by.strengths, by.moved);
  return still + std::min(std::max(way, 0.0), 1.0) * (moved - still);
}

// ``belief`` of one body, of whose box a share lies on another.
inline double believed(const Body& one, double share, const Beliefs& by) {
  const double seen = seen_belief(one, by);
  if (one.hidden_s > 0.0) {
    return seen * interpolated(one.hidden_s, by.hidden_s, share > by.on_another[0] ? by.hidden_on_another : by.hidden_alone);
  }
  return seen * interpolated(share, by.on_another, one.strength >= by.sure_strength ? by.sure_on_another : by.weak_on_another);
}

// ``on_another``: the largest share of each body's box that lies on the box of one who is believed and in sight.
inline std::vector<double> shares_on_another(const std::vector<Body>& bodies) {
  std::vector<double> shares(bodies.size());
  std::vector<const Body*> there;
  std::vector<Point> places;
  double farthest = 0, most = 0;
  for (const Body& one : bodies) {
    const double half = std::hypot(one.size.x, one.size.y) / 2.0;
    farthest = std::max(farthest, half);
    if (!one.in_sight()) continue;
    there.push_back(&one);
    places.push_back(one.place);
    most = std::max(most, half);
  }
  if (there.empty()) return shares;
  const Grid grid(places, farthest + most);
  for (size_t row = 0; row < bodies.size(); ++row) {
    const Body& one = bodies[row];
    grid.near(one.place, std::hypot(one.size.x, one.size.y) / 2.0 + most, [&](int index, double) {
      const Body& other = *there[static_cast<size_t>(index)];
      if (&other == &one) return;
      const double wide = std::min((one.size.x + other.size.x) / 2.0 - std::fabs(one.place.x - other.place.x), one.size.x);
      const double high = std::min((one.size.y + other.size.y) / 2.0 - std::fabs(one.place.y - other.place.y), one.size.y);
      shares[row] = std::max(shares[row], std::max(wide, 0.0) * std::max(high, 0.0) / (one.size.x * one.size.y));
    });
  }
  return shares;
}

}  // namespace edge

#endif  // EDGE_CROWD_BODIES_H_
