// Follows bodies from frame to frame. Specification: tracker.py in edge/pipeline, whose words the methods carry.

#include "association.h"

namespace edge {

// A box as the detector gives it; compiled_tracker.py lists them in an order that does not depend on the order given.
struct Found {
  double left, top, right, bottom, score, kind;
};

// What is told of one body: a ``Track``.
struct Told {
  int64_t id;
  double left, top, right, bottom, score, x_px_s, y_px_s, first_seen_s, last_seen_s, hidden_s, belief;
  int32_t kind;
  uint8_t confirmed, leaving, unused[2];
};

class Tracker {
 public:
  explicit Tracker(const Settings& by) : by_(by) {}
  const std::vector<Told>& told() const { return told_; }
  void step(const Found* found, int count, const Scene& scene);
  void forget_all() { keep(std::vector<char>(bodies_.size(), 0)); }

 private:
  void take(const Found* found, int count);
  void match(const Moment& now);
  void hide(const Scene& scene);
  int64_t cover_of(const Body& one) const;
  void begin(const Scene& scene);
  bool is_echo(const Box& box, const Grid& grid, const std::vector<const Body*>& seen, double tallest, Point& velocity) const;
  void believe(const Scene& scene);
  std::vector<std::pair<size_t, size_t>> reappeared(const std::vector<size_t>& fresh) const;
  void forget(const Scene& scene);
  void keep(const std::vector<char>& those);
  void tell();
  size_t kind_of(size_t row) const;
  bool beyond_edge(const Body& one, const Scene& scene, double share) const;

  const Settings by_;
  std::vector<Body> bodies_;                // ordered by id
  std::vector<std::vector<double>> votes_;  // by kind and body: how often it was called that
  std::vector<Told> told_;
  int64_t next_id_ = 1;
  // of one frame
  std::vector<Box> boxes_;
  std::vector<char> unseen_, free_;
};

void Tracker::step(const Found* found, int count, const Scene& scene) {
  const Moment now(scene, by_);
  const bool still = scene.dx_px == 0 && scene.dy_px == 0 && scene.linear[0] == 1 && scene.linear[1] == 0 &&
                     scene.linear[2] == 0 && scene.linear[3] == 1;
  for (Body& one : bodies_) {
    if (!still || scene.known == 0) move_with_camera(one, scene, by_);
    coast(one, now, by_);
  }
  if (scene.ffc == 0) {
    take(found, count);
    match(now);
    hide(scene);
    begin(scene);
    believe(scene);
    forget(scene);
  }
  tell();
}

void Tracker::take(const Found* found, int count) {
  boxes_.clear();
  for (const Found* one = found; one < found + count; ++one) {
    const Point size{std::max(one->right - one->left, 1.0), std::max(one->bottom - one->top, 1.0)};
    const auto kind = static_cast<int>(one->kind);
    boxes_.push_back({{(one->left + one->right) / 2.0, (one->top + one->bottom) / 2.0}, size, one->score, kind});
    while (votes_.size() <= static_cast<size_t>(kind)) votes_.emplace_back(bodies_.size());
  }
  unseen_.assign(bodies_.size(), 1);
  free_.assign(boxes_.size(), 1);
}

// Three rounds: believed bodies choose first among the sure boxes, then the others, then the believed among the unsure.
void Tracker::match(const Moment& now) {
  const double passed_s = std::min(now.elapsed_s, by_.gap_s);
  for (const auto& [confirmed, sure] : {std::make_pair(true, true), std::make_pair(false, true), std::make_pair(true, false)}) {
    std::vector<int> rows, columns;
    for (size_t row = 0; row < bodies_.size(); ++row) {
      const Body& one = bodies_[row];
      const bool direct = one.hidden_s + passed_s <= by_.direct_s;
      if (unseen_[row] && direct && one.confirmed == confirmed) rows.push_back(static_cast<int>(row));
    }
    for (size_t column = 0; column < boxes_.size(); ++column) {
      if (free_[column] && (boxes_[column].score >= by_.start_score) == sure) columns.push_back(static_cast<int>(column));
    }
    if (rows.empty() || columns.empty()) continue;
    const auto box_count = static_cast<int>(boxes_.size());
    for (const Match& one : associate(bodies_, rows, boxes_.data(), box_count, columns, now.elapsed_s, by_)) {
      const auto row = static_cast<size_t>(one.row), column = static_cast<size_t>(one.column);
      see(bodies_[row], boxes_[column], one.trust, now, by_);
      votes_[static_cast<size_t>(boxes_[column].kind)][row] += 1.0;
      unseen_[row] = free_[column] = 0;
    }
  }
}

bool Tracker::beyond_edge(const Body& one, const Scene& scene, double share) const {
  const Point by{share * one.size.x, share * one.size.y};
  return one.place.x + by.x < 0.0 || one.place.y + by.y < 0.0 || one.place.x - by.x > scene.width_px ||
         one.place.y - by.y > scene.height_px;
}

// Counts the time against those not seen; who has just vanished behind another walks with that one.
void Tracker::hide(const Scene& scene) {
  const double passed_s = std::max(std::min(scene.elapsed_s, by_.gap_s), by_.tight_s);
  const bool lost = scene.known == 0 || scene.elapsed_s > by_.stall_s;
  for (size_t row = 0; row < bodies_.size(); ++row) {
    Body& one = bodies_[row];
    one.looks += 1;
    if (!unseen_[row]) {
      one.cover = 0;
      continue;
    }
    if (lost || (scene.width_px > 0 && beyond_edge(one, scene, -0.5))) one.leaving = true;
    const bool just_gone = one.hidden_s == 0.0 && one.confirmed;
    one.hidden_s += passed_s;
    if (const int64_t cover = just_gone ? cover_of(one) : 0) one.cover = cover;
  }
  for (Body& one : bodies_) {
    if (one.cover == 0) continue;
    const auto before = [](const Body& body, int64_t id) { return body.id < id; };
    const auto cover = std::lower_bound(bodies_.begin(), bodies_.end(), one.cover, before);
    if (cover == bodies_.end() || cover->id != one.cover || unseen_[static_cast<size_t>(cover - bodies_.begin())]) continue;
    one.velocity = cover->velocity;  // where both are hidden it coasts on as it went
  }
}

// The id of the seen body in front of one that has just vanished, or 0.
int64_t Tracker::cover_of(const Body& one) const {
  double most = -1;
  int64_t id = 0;
  for (size_t row = 0; row < bodies_.size(); ++row) {
    if (unseen_[row]) continue;
    const Body& front = bodies_[row];
    const double wide = (front.size.x + one.size.x) / 2.0 - std::fabs(front.place.x - one.place.x);
    const double high = (front.size.y + one.size.y) / 2.0 - std::fabs(front.place.y - one.place.y);
    const double overlap = std::min(std::max(wide, 0.0), one.size.x) * std::min(std::max(high, 0.0), one.size.y);
    const double share = overlap / (one.size.x * one.size.y);
    if (share > most) most = share, id = front.id;
  }
  return most >= by_.covered_share ? id : 0;
}

// A body for every sure box that nobody claimed and that is no echo of a body just seen.
void Tracker::begin(const Scene& scene) {
  for (size_t column = 0; column < boxes_.size(); ++column) {
    if (boxes_[column].score < by_.start_score) free_[column] = 0;
  }
  if (std::find(free_.begin(), free_.end(), 1) == free_.end()) return;
  std::vector<const Body*> seen;
  std::vector<Point> places;
  double tallest = 0, longest = 0;
  for (const Body& one : bodies_) {
    if (!one.in_sight()) continue;
    seen.push_back(&one);
    places.push_back(one.place);
    tallest = std::max(tallest, one.height_px());
  }
  for (const Box& box : boxes_) longest = std::max(longest, box.height_px());
  const Grid grid(places, std::max(by_.companion_heights * longest, longest + tallest));
  std::vector<Body> fresh;
  for (size_t column = 0; column < boxes_.size(); ++column) {
    Point velocity{0, 0};
    const Box& box = boxes_[column];
    if (!free_[column] || is_echo(box, grid, seen, tallest, velocity)) continue;
    fresh.push_back(born(next_id_++, box, velocity, scene.t_s, by_));
    for (size_t kind = 0; kind < votes_.size(); ++kind) votes_[kind].push_back(kind == static_cast<size_t>(box.kind));
  }
  bodies_.insert(bodies_.end(), fresh.begin(), fresh.end());
}

// Tells whether a box lies on a body just seen; else how it is expected to move: like somebody beside it.
bool Tracker::is_echo(const Box& box, const Grid& grid, const std::vector<const Body*>& seen, double tallest,
                      Point& velocity) const {
  if (seen.empty()) return false;
  const double own = box.height_px(), beside = by_.companion_heights * own;
  std::pair<double, int> nearest{INFINITY, 0};
  bool echo = false;
  grid.near(box.place, std::max(beside, own + tallest), [&](int index, double distance) {
    const Body& one = *seen[static_cast<size_t>(index)];
    nearest = std::min(nearest, std::make_pair(distance, index));
    const double wide = (one.size.x + box.size.x) / 2.0 - std::fabs(box.place.x - one.place.x);
    const double high = (one.size.y + box.size.y) / 2.0 - std::fabs(box.place.y - one.place.y);
    const double shared = std::min(std::max(wide, 0.0), std::min(one.size.x, box.size.x)) *
                          std::min(std::max(high, 0.0), std::min(one.size.y, box.size.y));
    const double both = one.size.x * one.size.y + box.size.x * box.size.y - shared;
    echo = echo || shared / both >= by_.duplicate_overlap;
  });
  if (nearest.first <= beside) velocity = seen[static_cast<size_t>(nearest.second)]->velocity;
  return echo;
}

// Confirms what was seen often and long enough; it goes on under an old id when it is a body that reappears.
void Tracker::believe(const Scene& scene) {
  std::vector<size_t> ready;
  for (size_t row = 0; row < bodies_.size(); ++row) {
    const Body& one = bodies_[row];
    const auto hits = static_cast<double>(one.hits);
    if (!one.confirmed && hits >= by_.confirm_hits && one.mean_score >= by_.believe_score - by_.tight_score && scene.t_s - one.first_seen_s >= by_.confirm_s - by_.tight_s &&
        hits >= by_.seen_share * static_cast<double>(one.looks)) {
      ready.push_back(row);
    }
  }
  if (ready.empty()) return;
  for (const size_t row : ready) bodies_[row].confirmed = true;
  std::vector<char> stays(bodies_.size(), 1);
  for (const auto& [fresh, old] : reappeared(ready)) {
    const int64_t id = bodies_[old].id;
    const double first_seen_s = bodies_[old].first_seen_s;
    bodies_[old] = bodies_[fresh];
    bodies_[old].id = id;
    bodies_[old].first_seen_s = first_seen_s;
    bodies_[old].cover = 0;
    for (auto& votes : votes_) votes[old] = votes[fresh];
    stays[fresh] = 0;
  }
  keep(stays);
}

// Distance of a point to the stretch between two others: ``_distance_to_way``.
double distance_to_way(const Point& point, const Point& start, const Point& end) {
  const Point way{end.x - start.x, end.y - start.y};
  const double length2 = std::max(way.x * way.x + way.y * way.y, 1e-9);
  const double along = ((point.x - start.x) * way.x + (point.y - start.y) * way.y) / length2;
  const double share = std::min(std::max(along, 0.0), 1.0);
  return std::hypot(point.x - (start.x + share * way.x), point.y - (start.y + share * way.y));
}

// How far from the way of an old body a new one began, less what it may have strayed, in heights: ``_strayed``.
double strayed(const Body& fresh, const Body& old, const Settings& by) {
  const double apart_s = std::max(fresh.first_seen_s - old.last_seen_s, 0.0), walked_s = std::min(apart_s, by.reappear_walk_s);
  const Point end{old.seen_place.x + old.seen_velocity.x * walked_s, old.seen_place.y + old.seen_velocity.y * walked_s};
  const double from_way = distance_to_way(fresh.born_place, old.seen_place, end) / old.height_px();
  return std::max(from_way - by.reappear_stray_heights * std::min(apart_s, by.reappear_stray_s), 0.0);
}

// Pairs newly believed bodies with those out of sight, the likeliest first: ``_reappeared``.
std::vector<std::pair<size_t, size_t>> Tracker::reappeared(const std::vector<size_t>& fresh) const {
  struct Guess {
    double cost;
    size_t fresh, old;
  };
  std::vector<size_t> gone;
  std::vector<Point> ends;
  Point middle{0, 0};
  for (size_t row = 0; row < bodies_.size(); ++row) {
    const Body& old = bodies_[row];
    if (!old.confirmed || !(old.hidden_s > 0.0)) continue;
    const double walk_s = std::min(old.hidden_s, by_.reappear_walk_s);
    gone.push_back(row);
    ends.push_back({old.seen_place.x + old.seen_velocity.x * walk_s, old.seen_place.y + old.seen_velocity.y * walk_s});
    middle = {middle.x + ends.back().x, middle.y + ends.back().y};
  }
  const auto count = static_cast<double>(gone.size());
  middle = {middle.x / count, middle.y / count};
  std::vector<Guess> guesses;
  for (const size_t row : fresh) {
    const Body& one = bodies_[row];
    for (size_t at = 0; at < gone.size(); ++at) {
      const Body& old = bodies_[gone[at]];
      const Point &end = ends[at], &velocity = old.seen_velocity;
      const double height = old.height_px();
      const double aside = std::min(distance_to_way(one.place, old.seen_place, end), apart(one.place, old.place)) / height;
      const double distance = std::min(aside, strayed(one, old, by_));
      const double size = std::fabs(std::log(one.height_px() / height));
      const double grown = by_.reappear_heights + by_.reappear_heights_s * old.hidden_s;
      if (!(distance <= std::min(grown, by_.reappear_max_heights)) || !(size <= std::log(by_.reappear_size)) ||
          !(one.first_seen_s > old.last_seen_s) || kind_of(row) != kind_of(gone[at])) {
        continue;
      }
      const double ahead = (end.x - middle.x) * velocity.x + (end.y - middle.y) * velocity.y;
      const double lead = ahead / std::max(std::hypot(velocity.x, velocity.y) * height, 1e-9);
      const double from_end = std::min(apart(one.place, end) / height, 1.0);
      guesses.push_back({distance + from_end + size / by_.reappear_size_share - by_.reappear_lead * lead, row, gone[at]});
    }
  }
  std::stable_sort(guesses.begin(), guesses.end(), [](const Guess& one, const Guess& other) { return one.cost < other.cost; });
  std::vector<std::pair<size_t, size_t>> pairs;
  std::vector<char> used_fresh(bodies_.size()), used_old(bodies_.size());
  for (const Guess& one : guesses) {
    if (used_fresh[one.fresh] || used_old[one.old]) continue;
    used_fresh[one.fresh] = used_old[one.old] = 1;
    pairs.emplace_back(one.fresh, one.old);
  }
  return pairs;
}

// Gives up who was out of sight for too long, or has left the picture.
void Tracker::forget(const Scene& scene) {
  std::vector<char> alive;
  for (const Body& one : bodies_) {
    double limit_s = one.confirmed ? by_.hidden_s : by_.tentative_s;
    if (one.hidden_s > 0.0 && seen_belief(one, by_.beliefs) < by_.doubtful) limit_s = std::min(limit_s, by_.doubtful_s);
    if (one.leaving) limit_s = std::min(limit_s, by_.left_s);
    const bool out = one.leaving && scene.width_px > 0 && beyond_edge(one, scene, by_.out_share);
    alive.push_back(one.hidden_s <= limit_s + by_.tight_s && !out);
  }
  keep(alive);
}

void Tracker::keep(const std::vector<char>& those) {
  size_t kept = 0;
  for (size_t row = 0; row < those.size(); ++row) {
    if (!those[row]) continue;
    bodies_[kept] = bodies_[row];
    for (auto& votes : votes_) votes[kept] = votes[row];
    ++kept;
  }
  bodies_.resize(kept);
  for (auto& votes : votes_) votes.resize(kept);
}

size_t Tracker::kind_of(size_t row) const {
  size_t best = 0;
  for (size_t kind = 1; kind < votes_.size(); ++kind) best = votes_[kind][row] > votes_[best][row] ? kind : best;
  return best;
}

void Tracker::tell() {
  told_.clear();
  const std::vector<double> shares = shares_on_another(bodies_);
  for (size_t row = 0; row < bodies_.size(); ++row) {
    const Body& one = bodies_[row];
    const Point half{one.size.x / 2.0, one.size.y / 2.0};
    told_.push_back({one.id, one.place.x - half.x, one.place.y - half.y, one.place.x + half.x, one.place.y + half.y, one.score,
                     one.velocity.x, one.velocity.y, one.first_seen_s, one.last_seen_s, one.hidden_s,
                     believed(one, shares[row], by_.beliefs), static_cast<int32_t>(kind_of(row)), one.confirmed, one.leaving,
                     {0, 0}});
  }
}

}  // namespace edge

using edge::Found;
using edge::Scene;
using edge::Settings;
using edge::Told;
using edge::Tracker;

EDGE_PUBLIC Tracker* edge_tracker_new(const Settings* by) { return new Tracker(*by); }

EDGE_PUBLIC void edge_tracker_free(Tracker* tracker) { delete tracker; }

// Takes one frame; returns how many bodies there are.
EDGE_PUBLIC int edge_tracker_step(Tracker* tracker, const Found* found, int count, const Scene* scene) {
  tracker->step(found, count, *scene);
  return static_cast<int>(tracker->told().size());
}

// What is told of each; valid until the next call.
EDGE_PUBLIC const Told* edge_tracker_told(const Tracker* tracker) { return tracker->told().data(); }

// Follows nobody any more.
EDGE_PUBLIC void edge_tracker_forget(Tracker* tracker) { tracker->forget_all(); }
