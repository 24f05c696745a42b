// Which box belongs to which body. Specifications: association.py and assignment.py in edge/pipeline.

#ifndef EDGE_CROWD_ASSOCIATION_H_
#define EDGE_CROWD_ASSOCIATION_H_

#include "bodies.h"

namespace edge {

struct Pair {
  int row, column;  // of bodies and of boxes
  double distance, size, cost;
  bool alone;
};

struct Match {
  int row, column;
  double trust;
};

// The cheapest choice in a table of at most as many rows as columns, as ``cheapest`` in assignment.py: column by row.
inline std::vector<int> cheapest(const std::vector<double>& cost, int rows, int width) {
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
inline void solve(const std::vector<Pair>& piece, const Settings& by, std::vector<Match>& matches) {
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
inline void solve_pieces(const std::vector<Pair>& contested, int bodies, int boxes, const Settings& by, std::vector<Match>& matches) {
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
inline std::vector<Pair> gated(const std::vector<Body>& bodies, const std::vector<int>& rows, const Box* boxes, const std::vector<int>& columns,
                        double elapsed_s, const Settings& by) {
  std::vector<double> gates;
  std::vector<Point> places;
  for (const int row : rows) {
    const Body& one = bodies[static_cast<size_t>(row)];
    const double sigma = std::sqrt(one.place_var + measured_var(one.height_px(), by));
    const double reach = one.height_px() * (by.speed_slack_heights + by.max_speed_heights_s * (elapsed_s + one.hidden_s));
    gates.push_back(std::min(std::max(by.gate_sigma * sigma, by.gate_heights * one.longer_side()), reach));
  }
  for (const int column : columns) places.push_back(boxes[column].place);
  const Grid grid(places, *std::max_element(gates.begin(), gates.end()));
  std::vector<Pair> pairs;
  std::vector<std::pair<double, int>> found;
  for (size_t at = 0; at < rows.size(); ++at) {
    const Body& one = bodies[static_cast<size_t>(rows[at])];
    found.clear();
    grid.near(one.place, gates[at], [&](int index, double distance) { found.emplace_back(distance, index); });
    keep_nearest(found, static_cast<size_t>(by.neighbours));
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
inline std::vector<Match> associate(const std::vector<Body>& bodies, const std::vector<int>& rows, const Box* boxes, int box_count,
                             const std::vector<int>& columns, double elapsed_s, const Settings& by) {
  const std::vector<Pair> pairs = gated(bodies, rows, boxes, columns, elapsed_s, by);
  std::vector<int> of_row(static_cast<size_t>(static_cast<int>(bodies.size()))), of_column(static_cast<size_t>(box_count));
  for (const Pair& one : pairs) ++of_row[static_cast<size_t>(one.row)], ++of_column[static_cast<size_t>(one.column)];
  std::vector<Match> matches;
  std::vector<Pair> contested;
  for (Pair one : pairs) {
    if (of_row[static_cast<size_t>(one.row)] == 1 && of_column[static_cast<size_t>(one.column)] == 1) {
      matches.push_back({one.row, one.column, 1.0});
      continue;
    }
    const Body& body = bodies[static_cast<size_t>(one.row)];
    const double height = body.longer_side(), variance = body.place_var + measured_var(body.height_px(), by);
    const double sigmas = one.size / (by.size_share + by.size_px / height);
    one.cost = one.distance * one.distance / variance + 2.0 * std::log(variance / (height * height)) +
               std::min(sigmas * sigmas, by.size_cost);
    contested.push_back(one);
  }
  solve_pieces(contested, static_cast<int>(bodies.size()), box_count, by, matches);
  return matches;
}

}  // namespace edge

#endif  // EDGE_CROWD_ASSOCIATION_H_
