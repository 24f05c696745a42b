// The passes over all people of a frame, where Python costs more than the sums. The modules that call it are its
// specification, and both decide alike: the same operations in the same order. No library, no Python header: called
// through ctypes. Settings come with each call, so every number stands once, in Python.

#include "grid.h"

namespace {

using edge::apart;
using edge::Grid;
using edge::Point;

// One person as bonds.py lists them; all are doubles, so that Python makes one array of them.
struct Person {
  double id, left, top, right, bottom, x_px_s, y_px_s, visible, group, age_s;
};

struct BondSettings {
  double join_heights, leave_heights, agree_heights_s, agree_share, hold_s, split_after_s;
  double young_s, young_heights_s, drifting, clearly, tiny, neighbours, dense;
};

struct Bond {
  int64_t low, high;  // ids
  double strength;
  bool tied;
};

// What one pair of people looks like now.
struct Look {
  int left, right;  // rows
  double apart, differ, allowed;
  bool near, fresh, novel, welcome;
};

class Bonds {
 public:
  void weigh(const Person* people, int count, double elapsed_s, double gain, const BondSettings& by);
  const std::vector<int64_t>& ties() const { return ties_; }
  size_t remembered() const { return bonds_.size(); }

 private:
  void smooth(const Person* people, int count, double gain);
  void drop_gone(const Person* people);
  void list_fresh(int count, const BondSettings& by);
  void look(const Person* people, const BondSettings& by);
  void settle_between(const Person* people, int count, const BondSettings& by);

  std::vector<Bond> bonds_;
  std::vector<int64_t> ids_, ties_;
  std::vector<Point> velocity_, feet_;
  std::vector<double> height_px_, speed_px_s_;
  std::vector<Look> looks_;  // of all bonds first, then of pairs without one
};

void Bonds::smooth(const Person* people, int count, double gain) {
  std::vector<int64_t> ids;
  std::vector<Point> velocity;
  size_t known = 0;
  for (int row = 0; row < count; ++row) {
    const auto id = static_cast<int64_t>(people[row].id);
    const Point now{people[row].x_px_s, people[row].y_px_s};
    while (known < ids_.size() && ids_[known] < id) ++known;
    const Point before = known < ids_.size() && ids_[known] == id ? velocity_[known] : now;
    ids.push_back(id);
    velocity.push_back({before.x + gain * (now.x - before.x), before.y + gain * (now.y - before.y)});
  }
  ids_.swap(ids);
  velocity_.swap(velocity);
}

// Drops the bonds of people who are gone, and notes the rows of the others.
void Bonds::drop_gone(const Person* people) {
  looks_.clear();
  size_t kept = 0;
  for (const Bond& bond : bonds_) {
    const auto left = std::lower_bound(ids_.begin(), ids_.end(), bond.low);
    const auto right = std::lower_bound(ids_.begin(), ids_.end(), bond.high);
    if (left == ids_.end() || *left != bond.low || right == ids_.end() || *right != bond.high) continue;
    const int rows[2] = {static_cast<int>(left - ids_.begin()), static_cast<int>(right - ids_.begin())};
    looks_.push_back({rows[0], rows[1], 0, 0, 0, false, false, false, false});
    bonds_[kept] = bond;
    const double group = people[rows[0]].group, other = people[rows[1]].group;
    if (bond.tied && group != other && group > 0 && other > 0) bonds_[kept].strength = 0, bonds_[kept].tied = false;
    ++kept;
  }
  bonds_.resize(kept);
}

// Adds the pairs that may be near and have no bond yet, the lower id first.
void Bonds::list_fresh(int count, const BondSettings& by) {
  std::vector<int64_t> known;
  for (const Look& one : looks_) known.push_back(static_cast<int64_t>(one.left) * count + one.right);
  std::sort(known.begin(), known.end());
  const auto add = [&](int left, int right) {
    const int64_t code = static_cast<int64_t>(left) * count + right;
    if (!std::binary_search(known.begin(), known.end(), code)) looks_.push_back({left, right, 0, 0, 0, false, true, false, false});
  };
  if (count <= static_cast<int>(by.dense)) {
    for (int left = 0; left < count; ++left) {
      for (int right = left + 1; right < count; ++right) add(left, right);
    }
    return;
  }
  const double reach = by.leave_heights * *std::max_element(height_px_.begin(), height_px_.end());
  const Grid grid(feet_, reach);
  const auto most = static_cast<size_t>(by.neighbours) + 1;
  std::vector<int64_t> codes;
  std::vector<std::pair<double, int>> found;
  for (int row = 0; row < count; ++row) {
    found.clear();
    grid.near(feet_[static_cast<size_t>(row)], reach, [&](int other, double distance) { found.emplace_back(distance, other); });
    edge::keep_nearest(found, most);
    for (const auto& [distance, other] : found) {
      if (other != row) codes.push_back(static_cast<int64_t>(std::min(row, other)) * count + std::max(row, other));
    }
  }
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  for (const int64_t code : codes) add(static_cast<int>(code / count), static_cast<int>(code % count));
}

void Bonds::look(const Person* people, const BondSettings& by) {
  for (Look& one : looks_) {
    const auto left = static_cast<size_t>(one.left), right = static_cast<size_t>(one.right);
    const double yardstick = std::max(height_px_[left], height_px_[right]);
    const double speed = std::max(speed_px_s_[left], speed_px_s_[right]);
    one.apart = apart(feet_[left], feet_[right]) / yardstick;
    one.differ = apart(velocity_[left], velocity_[right]) / yardstick;
    one.allowed = by.agree_heights_s + by.agree_share * speed / yardstick;
    one.near = one.apart <= by.join_heights;
    const bool young = std::min(people[left].age_s, people[right].age_s) <= by.young_s;
    one.novel = young || people[left].group == 0 || people[right].group == 0;
    one.welcome = one.novel && one.near && one.differ <= one.allowed + by.young_heights_s;
  }
}

// Takes the welcome from pairs by which somebody new would tie two groups that were there before.
void Bonds::settle_between(const Person* people, int count, const BondSettings& by) {
  std::vector<double> old, home;
  for (int row = 0; row < count; ++row) {
    if (people[row].age_s > by.young_s && people[row].group > 0) old.push_back(people[row].group);
  }
  std::sort(old.begin(), old.end());
  for (int row = 0; row < count; ++row) {
    home.push_back(std::binary_search(old.begin(), old.end(), people[row].group) ? people[row].group : 0);
  }
  for (const auto& [guest, host] : {std::make_pair(&Look::left, &Look::right), std::make_pair(&Look::right, &Look::left)}) {
    std::vector<const Look*> nearest(static_cast<size_t>(count), nullptr);
    for (const Look& one : looks_) {
      const auto who = static_cast<size_t>(one.*guest);
      if (!one.welcome || home[who] != 0 || !(home[static_cast<size_t>(one.*host)] > 0)) continue;
      if (nearest[who] == nullptr || one.apart <= nearest[who]->apart) nearest[who] = &one;
    }
    for (const Look* one : nearest) {
      if (one != nullptr) home[static_cast<size_t>(one->*guest)] = home[static_cast<size_t>(one->*host)];
    }
  }
  for (Look& one : looks_) {
    const double left = home[static_cast<size_t>(one.left)], right = home[static_cast<size_t>(one.right)];
    if (left > 0 && right > 0 && left != right) one.welcome = false;
  }
}

void Bonds::weigh(const Person* people, int count, double elapsed_s, double gain, const BondSettings& by) {
  ties_.clear();
  smooth(people, count, gain);
  if (count < 2) {
    bonds_.clear();
    return;
  }
  feet_.clear();
  height_px_.clear();
  speed_px_s_.clear();
  for (int row = 0; row < count; ++row) {
    const Person& one = people[row];
    feet_.push_back({(one.left + one.right) / 2.0, one.bottom});
    height_px_.push_back(std::max({one.right - one.left, one.bottom - one.top, 1.0}));
    const Point& velocity = velocity_[static_cast<size_t>(row)];
    speed_px_s_.push_back(std::hypot(velocity.x, velocity.y));
  }
  drop_gone(people);
  list_fresh(count, by);
  look(people, by);
  settle_between(people, count, by);
  std::vector<Bond> kept;
  for (size_t index = 0; index < looks_.size(); ++index) {
    const Look& one = looks_[index];
    const Person &left = people[one.left], &right = people[one.right];
    const bool alike = one.differ <= one.allowed;
    Bond bond{ids_[static_cast<size_t>(one.left)], ids_[static_cast<size_t>(one.right)], 0, false};
    if (one.fresh) {
      const bool together = left.group == right.group && one.apart <= by.leave_heights;
      if (!(one.welcome || together || (one.near && alike))) continue;
      bond.tied = one.welcome || together;
      bond.strength = bond.tied ? 1 : 0;
    } else {
      bond = bonds_[index];
      if (one.welcome) bond.strength = 1;
    }
    if (one.novel && one.differ > one.allowed + by.young_heights_s) bond.strength = 0;
    const bool unlike = one.differ > by.clearly * one.allowed + by.young_heights_s / 2.0;
    const bool drifting = one.differ > by.drifting * one.allowed && !one.near;
    const bool both_seen = left.visible != 0 && right.visible != 0;
    if (both_seen && one.near && alike) bond.strength += elapsed_s / std::max(by.hold_s, by.tiny);
    if (both_seen && (one.apart > by.leave_heights || unlike || drifting)) {
      bond.strength -= elapsed_s / std::max(by.split_after_s, by.tiny);
    }
    bond.strength = std::min(std::max(bond.strength, 0.0), 1.0);
    bond.tied = (bond.tied || bond.strength >= 1.0 - by.tiny) && bond.strength > by.tiny;
    if (!bond.tied && !(one.apart <= by.leave_heights)) continue;  // a worn bond is kept lest it look new
    kept.push_back(bond);
    if (bond.tied) ties_.insert(ties_.end(), {bond.low, bond.high});
  }
  bonds_.swap(kept);
}

}  // namespace

EDGE_PUBLIC int edge_crowd_version() { return 8; }

EDGE_PUBLIC Bonds* edge_bonds_new() { return new Bonds; }

EDGE_PUBLIC void edge_bonds_free(Bonds* bonds) { delete bonds; }

// Lets time pass and weighs all bonds; returns how many tie. People are ordered by id.
EDGE_PUBLIC int edge_bonds_weigh(Bonds* bonds, const Person* people, int count, double elapsed_s, double gain,
                                 const BondSettings* by) {
  bonds->weigh(people, count, elapsed_s, gain, *by);
  return static_cast<int>(bonds->ties().size() / 2);
}

// The ids of those whom bonds tie, two by two; valid until the next call.
EDGE_PUBLIC const int64_t* edge_bonds_ties(const Bonds* bonds) { return bonds->ties().data(); }

// How many pairs are remembered.
EDGE_PUBLIC int edge_bonds_remembered(const Bonds* bonds) { return static_cast<int>(bonds->remembered()); }
