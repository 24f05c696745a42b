// Points, and who is near whom. See bonds.cpp for what holds in this folder.

#ifndef EDGE_CROWD_GRID_H_
#define EDGE_CROWD_GRID_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#define EDGE_PUBLIC extern "C" __attribute__((visibility("default")))

namespace edge {

struct Point {
  double x, y;
};

inline double apart(const Point& one, const Point& other) { return std::hypot(one.x - other.x, one.y - other.y); }

// Who is near whom, as near.py: points sorted by cells that are as wide as the farthest reach.
class Grid {
 public:
  Grid(const std::vector<Point>& points, double farthest) : points_(points), cell_(std::max(farthest, 1e-9)) {
    for (const Point& one : points) low_ = {std::min(low_.x, one.x), std::min(low_.y, one.y)};
    for (const Point& one : points) {
      most_ = {std::max(most_.x, (one.x - low_.x) / cell_), std::max(most_.y, (one.y - low_.y) / cell_)};
    }
    for (size_t index = 0; index < points.size(); ++index) cells_.emplace_back(key(points[index]), static_cast<int>(index));
    std::sort(cells_.begin(), cells_.end());
  }

  // Calls found(index, distance) for each point within reach of a place; no reach is longer than the farthest.
  template <typename Found>
  void near(const Point& place, double reach, Found found) const {
    const double almost2 = reach * reach * (1 + 1e-9);  // rules out most without the exact root
    for (int64_t middle : {key(place) - width(), key(place), key(place) + width()}) {
      auto at = std::lower_bound(cells_.begin(), cells_.end(), std::make_pair(middle - 1, 0));
      for (; at != cells_.end() && at->first <= middle + 1; ++at) {
        const Point& other = points_[static_cast<size_t>(at->second)];
        const double x = other.x - place.x, y = other.y - place.y;
        if (x * x + y * y > almost2) continue;
        const double distance = apart(place, other);
        if (distance <= reach) found(at->second, distance);
      }
    }
  }

 private:
  // Two empty cells lie on every side, so whoever is outside has nobody beside them.
  static int64_t step(double cells, double most) {
    return static_cast<int64_t>(std::floor(std::min(std::max(cells, -2.0), most + 2.0))) + 3;
  }
  int64_t width() const { return static_cast<int64_t>(most_.x) + 7; }
  int64_t key(const Point& one) const {
    return step((one.y - low_.y) / cell_, most_.y) * width() + step((one.x - low_.x) / cell_, most_.x);
  }

  const std::vector<Point>& points_;
  double cell_;
  Point low_{INFINITY, INFINITY}, most_{0, 0};
  std::vector<std::pair<int64_t, int>> cells_;
};

// Leaves the few nearest of those found, in order.
inline void keep_nearest(std::vector<std::pair<double, int>>& found, size_t most) {
  const size_t kept = std::min(found.size(), most);
  std::partial_sort(found.begin(), found.begin() + static_cast<ptrdiff_t>(kept), found.end());
  found.resize(kept);
}

}  // namespace edge

#endif  // EDGE_CROWD_GRID_H_
