// Who is together: tied people joined into sets. Specification: company.py in edge/pipeline.

#include "grid.h"

namespace {

// One person as company.py lists them.
struct Standing {
  double id, x, y, height, vague;
};

struct Tie {
  int64_t low, high;  // ids
};

// Disjoint sets of rows; each is named by its first.
class Sets {
 public:
  explicit Sets(int count) {
    for (int row = 0; row < count; ++row) root_.push_back(row);
  }
  int find(int row) {
    while (root(row) != row) row = root(row) = root(root(row));
    return row;
  }
  void join(int one, int other) {
    const int first = std::min(find(one), find(other)), second = std::max(find(one), find(other));
    root(second) = first;
  }

 private:
  int& root(int row) { return root_[static_cast<size_t>(row)]; }
  std::vector<int> root_;
};

double apart_heights(const Standing& one, const Standing& other) {
  const double x = one.x - other.x, y = one.y - other.y;
  return std::sqrt(x * x + y * y) / std::max({one.height, other.height, 1.0});
}

}  // namespace

// Names for each person their set, by the row of its first. People are ordered by id; firsts (count) is written.
EDGE_PUBLIC void edge_company_firsts(const Standing* people, int count, const Tie* ties, int tie_count, int32_t* firsts) {
  const auto row_of = [&](int64_t id) {
    const auto before = [](const Standing& one, double other) { return one.id < other; };
    return static_cast<int>(std::lower_bound(people, people + count, static_cast<double>(id), before) - people);
  };
  Sets sets(count);
  std::vector<std::pair<double, int>> nearest(static_cast<size_t>(count), {INFINITY, -1});  // who is seen, of each vague one
  std::vector<std::pair<int, int>> loose;
  for (const Tie* tie = ties; tie < ties + tie_count; ++tie) {
    const int left = row_of(tie->low), right = row_of(tie->high);
    const bool left_vague = people[left].vague != 0, right_vague = people[right].vague != 0;
    if (left_vague && right_vague) {
      loose.emplace_back(left, right);
    } else if (left_vague || right_vague) {
      auto& best = nearest[static_cast<size_t>(left_vague ? left : right)];
      best = std::min(best, std::make_pair(apart_heights(people[left], people[right]), left_vague ? right : left));
    } else {
      sets.join(left, right);
    }
  }
  std::vector<char> placed(static_cast<size_t>(count));
  for (int row = 0; row < count; ++row) {
    const int beside = nearest[static_cast<size_t>(row)].second;
    if (beside < 0) continue;
    sets.join(row, beside);
    placed[static_cast<size_t>(row)] = 1;
  }
  std::sort(loose.begin(), loose.end());
  for (const auto& [left, right] : loose) {
    char &one = placed[static_cast<size_t>(left)], &other = placed[static_cast<size_t>(right)];
    if (one && other) continue;
    sets.join(left, right);
    if (one || other) one = other = 1;
  }
  for (int row = 0; row < count; ++row) firsts[row] = sets.find(row);
}
