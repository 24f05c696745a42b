// The passes of the tracker over its bodies: where they are expected, which box is whose, what a box teaches of a body, and
// how far each is believed. Specifications: bodies.py, association.py, assignment.py and belief.py in edge/pipeline.

#include "grid.h"

namespace {

using edge::apart;
using edge::Grid;
using edge::Point;

// One row of ``Bodies``; passes.py gives its size, so that columns may be added at the end.
struct Body {
  Point place, velocity, size, seen_place, born_place, seen_velocity;
  double moved_heights, place_var, mixed_var, velocity_var, surprise, score, strength, first_seen_s, last_seen_s, hidden_s;
  int64_t track_id, hits, looks;
  uint8_t confirmed, leaving;

  double longer_side() const { return std::max(size.x, size.y); }
  double height_px() const { return std::max(longer_side(), 1.0); }
};

struct Box {
  Point place, size;
  double score, kind;
};

struct Settings {
  double measured_px, measured_heights, noise, calm, wild, strength_s, tiny_s;                       // bodies.py
  double neighbours, gate_sigma, gate_heights, size_px, size_share, size_cost, size_gate, trust_cost, benefit;
  double direct_s, gap_s, speed_slack_heights, max_speed_heights_s, start_score;                      // tracker.py
};

struct Beliefs {  // belief.py
  double strengths[8], still[8], moved[8], still_heights, moved_heights;
  double on_another[4], weak_on_another[4], sure_on_another[4], sure_strength;
  double hidden_s[6], hidden_alone[6], hidden_on_another[6];
};

// What is told of one body: the numbers of ``Track``.
struct Told {
  double left, top, right, bottom, score, x_px_s, y_px_s, first_seen_s, last_seen_s, hidden_s, belief;
};

// What all bodies share in one frame.
struct Moment {
  double t_s, elapsed_s, surprise_gain, size_gain;
};

struct Pair {
  int row, column;  // of bodies and of boxes
  double distance, size, cost;
  bool alone;
};

struct Match {
  int row, column;
  double trust;
};

double measured_var(double height_px, const Settings& by) {
  const double error = by.measured_px + by.measured_heights * height_px;
  return error * error;
}

class Rows {
 public:
  Rows(void* first, ptrdiff_t stride, int count) : first_(static_cast<char*>(first)), stride_(stride), count_(count) {}
  Body& operator[](int row) const { return *reinterpret_cast<Body*>(first_ + row * stride_); }
  int count() const { return count_; }

 private:
  char* first_;
  ptrdiff_t stride_;
  int count_;
};

// The cheapest choice in a table of at most as many rows as columns, as ``cheapest`` in assignment.py: column by row.
std::vector<int> cheapest(const std::vector<double>& cost, int rows, int width) {
  const auto wide = static_cast<size_t>(width);
  std::vector<double> row_price(static_cast<size_t>(rows)), price(wide), least(wide);
  std::vector<int> owner(wide, -1), before(wide);
  std::vector<char> done(wide);
  std::vector<std::pair<int, double>> visited;
  for (int row = 0; row < rows; ++row) {
    std::fill(least.begin(), least.end(), INFINITY);
    std::fill(before.begin(), before.end(), -1);
    std::fill(done.begin(), done.end(), 0);
    visited.clear();
    int column = -1;
    double length = 0;
    do {
      const int now = column < 0 ? row : owner[static_cast<size_t>(column)];
      visited.emplace_back(now, length);
      int next = -1;
      for (size_t at = 0; at < wide; ++at) {
        if (done[at]) continue;
        const double reduced = cost[static_cast<size_t>(now) * wide + at] - row_price[static_cast<size_t>(now)] - price[at] + length;
        if (reduced < least[at]) least[at] = reduced, before[at] = column;
        if (next < 0 || least[at] < least[static_cast<size_t>(next)]) next = static_cast<int>(at);
      }
      column = next;
      length = least[static_cast<size_t>(column)];
      done[static_cast<size_t>(column)] = 1;
    } while (owner[static_cast<size_t>(column)] >= 0);
    for (const auto& [one, so_far] : visited) row_price[static_cast<size_t>(one)] += length - so_far;
    for (size_t at = 0; at < wide; ++at) {
      if (done[at]) price[at] -= length - least[at];
    }
    while (column >= 0) {  // everybody on the way moves on by one
      const int earlier = before[static_cast<size_t>(column)];
      owner[static_cast<size_t>(column)] = earlier < 0 ? row : owner[static_cast<size_t>(earlier)];
      column = earlier;
    }
  }
  std::vector<int> column_of(static_cast<size_t>(rows), -1);
  for (int at = 0; at < width; ++at) {
    if (owner[static_cast<size_t>(at)] >= 0) column_of[static_cast<size_t>(owner[static_cast<size_t>(at)])] = at;
  }
  return column_of;
}

// Solves one piece of what is contested, and says how far each pair is to be trusted: ``_assign`` and ``_trust``.
void solve(const std::vector<Pair>& piece, const Settings& by, std::vector<Match>& matches) {
  std::vector<int> rows, columns;
  for (const Pair& one : piece) rows.push_back(one.row), columns.push_back(one.column);
  for (auto* side : {&rows, &columns}) {
    std::sort(side->begin(), side->end());
    side->erase(std::unique(side->begin(), side->end()), side->end());
  }
  const size_t high = rows.size(), wide = columns.size();
  const auto place_in = [](const std::vector<int>& side, int one) {
    return static_cast<size_t>(std::lower_bound(side.begin(), side.end(), one) - side.begin());
  };
  std::vector<double> table(high * wide, INFINITY), flat(high * wide, 0.0);
  const bool turned = high > wide;
  for (const Pair& one : piece) {
    const size_t row = place_in(rows, one.row), column = place_in(columns, one.column);
    table[row * wide + column] = one.cost;
    flat[turned ? column * high + row : row * wide + column] = one.cost - by.benefit;
  }
  std::vector<std::pair<size_t, size_t>> picked;
  const std::vector<int> other_of = cheapest(flat, static_cast<int>(turned ? wide : high), static_cast<int>(turned ? high : wide));
  for (size_t one = 0; one < other_of.size(); ++one) {
    const auto other = static_cast<size_t>(other_of[one]);
    const auto pair = turned ? std::make_pair(other, one) : std::make_pair(one, other);
    if (std::isfinite(table[pair.first * wide + pair.second])) picked.push_back(pair);
  }
  std::vector<char> left_out(high, 1);
  for (const auto& [row, column] : picked) left_out[row] = 0;
  for (const auto& [row, column] : picked) {
    const double own = table[row * wide + column];
    double least = INFINITY;  // how much worse the best alternative is: two exchange their boxes, or one without takes it
    for (const auto& [other_row, other_column] : picked) {
      if (other_row == row) continue;
      const double exchanged = table[row * wide + other_column] + table[other_row * wide + column];
      least = std::min(least, exchanged - own - table[other_row * wide + other_column]);
    }
    for (size_t other = 0; other < high; ++other) {
      if (left_out[other]) least = std::min(least, table[other * wide + column] - own);
    }
    matches.push_back({rows[row], columns[column], std::tanh(std::max(least, 0.0) / by.trust_cost)});
  }
}

// Parts contested pairs into pieces that share no body and no box, and solves each.
void solve_pieces(const std::vector<Pair>& contested, int bodies, int boxes, const Settings& by, std::vector<Match>& matches) {
  std::vector<int> root(static_cast<size_t>(bodies + boxes));
  for (size_t one = 0; one < root.size(); ++one) root[one] = static_cast<int>(one);
  const auto find = [&](int one) {
    while (root[static_cast<size_t>(one)] != one) one = root[static_cast<size_t>(one)] = root[static_cast<size_t>(root[static_cast<size_t>(one)])];
    return one;
  };
  for (const Pair& one : contested) root[static_cast<size_t>(find(bodies + one.column))] = find(one.row);
  std::vector<std::pair<int, size_t>> order;
  for (size_t index = 0; index < contested.size(); ++index) order.emplace_back(find(contested[index].row), index);
  std::sort(order.begin(), order.end());
  std::vector<Pair> piece;
  for (size_t at = 0; at < order.size(); ++at) {
    piece.push_back(contested[order[at].second]);
    if (at + 1 == order.size() || order[at + 1].first != order[at].first) {
      solve(piece, by, matches);
      piece.clear();
    }
  }
}

// The pairs of bodies and boxes inside the gates, the few nearest of each body.
std::vector<Pair> gated(const Rows& bodies, const std::vector<int>& rows, const Box* boxes, const std::vector<int>& columns,
                        double elapsed_s, const Settings& by) {
  std::vector<double> gates;
  std::vector<Point> places;
  for (const int row : rows) {
    const Body& one = bodies[row];
    const double sigma = std::sqrt(one.place_var + measured_var(one.height_px(), by));
    const double reach = one.height_px() * (by.speed_slack_heights + by.max_speed_heights_s * (elapsed_s + one.hidden_s));
    gates.push_back(std::min(std::max(by.gate_sigma * sigma, by.gate_heights * one.longer_side()), reach));
  }
  for (const int column : columns) places.push_back(boxes[column].place);
  const Grid grid(places, *std::max_element(gates.begin(), gates.end()));
  std::vector<Pair> pairs;
  std::vector<std::pair<double, int>> found;
  for (size_t at = 0; at < rows.size(); ++at) {
    const Body& one = bodies[rows[at]];
    found.clear();
    grid.near(one.place, gates[at], [&](int index, double distance) { found.emplace_back(distance, index); });
    std::sort(found.begin(), found.end());
    if (found.size() > static_cast<size_t>(by.neighbours)) found.resize(static_cast<size_t>(by.neighbours));
    for (const auto& [distance, index] : found) {
      const Box& box = boxes[columns[static_cast<size_t>(index)]];
      const double size = std::log(std::max(box.size.x, box.size.y) / one.longer_side());
      if (std::fabs(size) <= by.size_gate) {
        pairs.push_back({rows[at], columns[static_cast<size_t>(index)], distance, size, 0, false});
      }
    }
  }
  return pairs;
}

// ``associate``: what nobody else wants is given at once, the rest where it costs least.
std::vector<Match> associate(const Rows& bodies, const std::vector<int>& rows, const Box* boxes, int box_count,
                             const std::vector<int>& columns, double elapsed_s, const Settings& by) {
  const std::vector<Pair> pairs = gated(bodies, rows, boxes, columns, elapsed_s, by);
  std::vector<int> of_row(static_cast<size_t>(bodies.count())), of_column(static_cast<size_t>(box_count));
  for (const Pair& one : pairs) ++of_row[static_cast<size_t>(one.row)], ++of_column[static_cast<size_t>(one.column)];
  std::vector<Match> matches;
  std::vector<Pair> contested;
  for (Pair one : pairs) {
    if (of_row[static_cast<size_t>(one.row)] == 1 && of_column[static_cast<size_t>(one.column)] == 1) {
      matches.push_back({one.row, one.column, 1.0});
      continue;
    }
    const Body& body = bodies[one.row];
    const double height = body.longer_side(), variance = body.place_var + measured_var(body.height_px(), by);
    const double sigmas = one.size / (by.size_share + by.size_px / height);
    one.cost = one.distance * one.distance / variance + 2.0 * std::log(variance / (height * height)) +
               std::min(sigmas * sigmas, by.size_cost);
    contested.push_back(one);
  }
  solve_pieces(contested, bodies.count(), box_count, by, matches);
  return matches;
}

// ``Bodies.see``: correct one body by its box.
void see(Body& body, const Box& box, double trust, const Moment& now, const Settings& by) {
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
  const double just_s = std::max(now.elapsed_s, by.tiny_s), gap_s = body.hidden_s + just_s;
  const double strength_gain = std::max(mean_gain, 1.0 - std::exp(-gap_s / by.strength_s));
  body.strength += strength_gain * (box.score * (just_s / gap_s) - body.strength);
  body.last_seen_s = now.t_s;
  body.hidden_s = 0.0;
  body.leaving = 0;
}

// As np.interp.
template <size_t kCount>
double interpolated(double x, const double (&xs)[kCount], const double (&ys)[kCount]) {
  if (!(x > xs[0])) return ys[0];
  if (x >= xs[kCount - 1]) return ys[kCount - 1];
  size_t at = 0;
  while (x >= xs[at + 1]) ++at;
  return (ys[at + 1] - ys[at]) / (xs[at + 1] - xs[at]) * (x - xs[at]) + ys[at];
}

// ``seen_belief`` and ``belief`` of one body, of whose box a share lies on another.
double believed(const Body& one, double share, const Beliefs& by) {
  const double way = (one.moved_heights - by.still_heights) / (by.moved_heights - by.still_heights);
  const double still = interpolated(one.strength, by.strengths, by.still);
  const double moved = interpolated(one.strength, by.strengths, by.moved);
  const double seen = still + std::min(std::max(way, 0.0), 1.0) * (moved - still);
  if (one.hidden_s > 0.0) {
    return seen * interpolated(one.hidden_s, by.hidden_s, share > by.on_another[0] ? by.hidden_on_another : by.hidden_alone);
  }
  return seen * interpolated(share, by.on_another, one.strength >= by.sure_strength ? by.sure_on_another : by.weak_on_another);
}

// ``on_another``: the largest share of each body's box that lies on the box of one who is believed and in sight.
std::vector<double> shares_on_another(const Rows& bodies) {
  std::vector<double> shares(static_cast<size_t>(bodies.count()));
  std::vector<int> there;
  std::vector<Point> places;
  double farthest = 0, most = 0;
  for (int row = 0; row < bodies.count(); ++row) {
    const Body& one = bodies[row];
    const double half = std::hypot(one.size.x, one.size.y) / 2.0;
    farthest = std::max(farthest, half);
    if (!one.confirmed || one.hidden_s != 0.0) continue;
    there.push_back(row);
    places.push_back(one.place);
    most = std::max(most, half);
  }
  if (there.empty()) return shares;
  const Grid grid(places, farthest + most);
  for (int row = 0; row < bodies.count(); ++row) {
    const Body& one = bodies[row];
    double& share = shares[static_cast<size_t>(row)];
    grid.near(one.place, std::hypot(one.size.x, one.size.y) / 2.0 + most, [&](int index, double) {
      const Body& other = bodies[there[static_cast<size_t>(index)]];
      if (&other == &one) return;
      const double wide = std::min((one.size.x + other.size.x) / 2.0 - std::fabs(one.place.x - other.place.x), one.size.x);
      const double high = std::min((one.size.y + other.size.y) / 2.0 - std::fabs(one.place.y - other.place.y), one.size.y);
      share = std::max(share, std::max(wide, 0.0) * std::max(high, 0.0) / (one.size.x * one.size.y));
    });
  }
  return shares;
}

}  // namespace

// ``Bodies.coast``: predict all for the time elapsed_s later; those out of sight keep a share of their velocity.
EDGE_PUBLIC void edge_bodies_coast(void* first, ptrdiff_t stride, int count, double elapsed_s, double kept, const Settings* by) {
  const Rows bodies(first, stride, count);
  for (int row = 0; row < count; ++row) {
    Body& one = bodies[row];
    const double height = one.height_px();
    const double noise = by->noise * (height * height) * std::min(std::max(one.surprise, by->calm), by->wild);
    if (one.hidden_s > 0.0) one.velocity = {one.velocity.x * kept, one.velocity.y * kept};
    one.place = {one.place.x + one.velocity.x * elapsed_s, one.place.y + one.velocity.y * elapsed_s};
    one.place_var = one.place_var + 2.0 * one.mixed_var * elapsed_s + one.velocity_var * (elapsed_s * elapsed_s) +
                    noise * (elapsed_s * elapsed_s * elapsed_s / 3.0);
    one.mixed_var = one.mixed_var + one.velocity_var * elapsed_s + noise * (elapsed_s * elapsed_s / 2.0);
    one.velocity_var = one.velocity_var + noise * elapsed_s;
  }
}

// ``Tracker._match``: three rounds. unseen (count) and free (box_count) come as ones; votes is (count, kinds).
EDGE_PUBLIC void edge_bodies_match(void* first, ptrdiff_t stride, int count, const Box* boxes, int box_count, double* votes,
                                   int kinds, const Moment* now, const Settings* by, uint8_t* unseen, uint8_t* free) {
  const Rows bodies(first, stride, count);
  const double passed_s = std::min(now->elapsed_s, by->gap_s);
  std::vector<char> direct;
  for (int row = 0; row < count; ++row) direct.push_back(bodies[row].hidden_s + passed_s <= by->direct_s);
  for (const auto& [confirmed, sure] : {std::make_pair(1, true), std::make_pair(0, true), std::make_pair(1, false)}) {
    std::vector<int> rows, columns;
    for (int row = 0; row < count; ++row) {
      if (direct[static_cast<size_t>(row)] && unseen[row] && bodies[row].confirmed == confirmed) rows.push_back(row);
    }
    for (int column = 0; column < box_count; ++column) {
      if (free[column] && (boxes[column].score >= by->start_score) == sure) columns.push_back(column);
    }
    if (rows.empty() || columns.empty()) continue;
    for (const Match& one : associate(bodies, rows, boxes, box_count, columns, now->elapsed_s, *by)) {
      see(bodies[one.row], boxes[one.column], one.trust, *now, *by);
      votes[one.row * kinds + static_cast<int>(boxes[one.column].kind)] += 1.0;
      unseen[one.row] = free[one.column] = 0;
    }
  }
}

// ``Tracker._hide``: count the time against those not seen. A camera that moved nobody knows how has lost them; without a
// frame's size (0) nobody is at its edge. covers (count): the row of the body in front of one that has just vanished, or -1.
EDGE_PUBLIC void edge_bodies_hide(void* first, ptrdiff_t stride, int count, const uint8_t* unseen, double passed_s, int lost,
                                  double width_px, double height_px, double covered_share, int64_t* covers) {
  const Rows bodies(first, stride, count);
  for (int row = 0; row < count; ++row) {
    Body& one = bodies[row];
    one.looks += 1;
    covers[row] = -1;
    if (!unseen[row]) continue;
    const Point half{one.size.x / 2.0, one.size.y / 2.0};
    const bool inside = one.place.x - half.x >= 0.0 && one.place.y - half.y >= 0.0 && one.place.x + half.x <= width_px &&
                        one.place.y + half.y <= height_px;
    if (lost || (width_px > 0 && !inside)) one.leaving = 1;
    const bool just_gone = one.hidden_s == 0.0 && one.confirmed;
    one.hidden_s += passed_s;
    if (!just_gone) continue;
    double most = -1;
    for (int other = 0; other < count; ++other) {
      if (unseen[other]) continue;
      const Body& front = bodies[other];
      const double wide = (front.size.x + one.size.x) / 2.0 - std::fabs(front.place.x - one.place.x);
      const double high = (front.size.y + one.size.y) / 2.0 - std::fabs(front.place.y - one.place.y);
      const double overlap = std::min(std::max(wide, 0.0), one.size.x) * std::min(std::max(high, 0.0), one.size.y);
      const double share = overlap / (one.size.x * one.size.y);
      if (share > most) most = share, covers[row] = other;
    }
    if (most < covered_share) covers[row] = -1;
  }
}

// ``Tracker._newcomers``: which of the boxes nobody claimed are no echo of a body just seen, and how they may move.
EDGE_PUBLIC void edge_bodies_newcomers(void* first, ptrdiff_t stride, int count, const Box* boxes, int box_count,
                                       double companion_heights, double duplicate_overlap, uint8_t* unclaimed,
                                       Point* velocities) {
  const Rows bodies(first, stride, count);
  std::vector<int> seen;
  std::vector<Point> places;
  double tallest = 0, longest = 0;
  for (int row = 0; row < count; ++row) {
    if (!bodies[row].confirmed || bodies[row].hidden_s != 0.0) continue;
    seen.push_back(row);
    places.push_back(bodies[row].place);
    tallest = std::max(tallest, bodies[row].height_px());
  }
  const auto height_of = [](const Box& box) { return std::max({box.size.x, box.size.y, 1.0}); };
  for (int column = 0; column < box_count; ++column) longest = std::max(longest, height_of(boxes[column]));
  const Grid grid(places, std::max(companion_heights * longest, longest + tallest));
  for (int column = 0; column < box_count; ++column) {
    velocities[column] = {0, 0};
    if (!unclaimed[column] || seen.empty()) continue;
    const Box& box = boxes[column];
    const double own = height_of(box), beside = companion_heights * own;
    std::pair<double, int> nearest{INFINITY, 0};
    grid.near(box.place, std::max(beside, own + tallest), [&](int index, double distance) {
      const Body& one = bodies[seen[static_cast<size_t>(index)]];
      nearest = std::min(nearest, std::make_pair(distance, index));
      const double wide = (one.size.x + box.size.x) / 2.0 - std::fabs(box.place.x - one.place.x);
      const double high = (one.size.y + box.size.y) / 2.0 - std::fabs(box.place.y - one.place.y);
      const double shared = std::min(std::max(wide, 0.0), std::min(one.size.x, box.size.x)) *
                            std::min(std::max(high, 0.0), std::min(one.size.y, box.size.y));
      const double both = one.size.x * one.size.y + box.size.x * box.size.y - shared;
      if (shared / both >= duplicate_overlap) unclaimed[column] = 0;
    });
    if (nearest.first <= beside) velocities[column] = bodies[seen[static_cast<size_t>(nearest.second)]].velocity;
  }
}

// ``Tracker._numbers``: what is told of each body.
EDGE_PUBLIC void edge_bodies_tell(void* first, ptrdiff_t stride, int count, const Beliefs* by, Told* told) {
  const Rows bodies(first, stride, count);
  const std::vector<double> shares = shares_on_another(bodies);
  for (int row = 0; row < count; ++row) {
    const Body& one = bodies[row];
    const Point half{one.size.x / 2.0, one.size.y / 2.0};
    told[row] = {one.place.x - half.x, one.place.y - half.y, one.place.x + half.x, one.place.y + half.y, one.score,
                 one.velocity.x, one.velocity.y, one.first_seen_s, one.last_seen_s, one.hidden_s,
                 believed(one, shares[static_cast<size_t>(row)], *by)};
  }
}
