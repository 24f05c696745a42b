// The passes over the pixels of a frame, vectorised by the compiler: reference.py is their specification, and both give
// the same bytes. Whole numbers only, so every processor agrees. No library, no Python header: called through ctypes.
//
// Callers own all memory. Strides are in bytes and may be negative; rows must be aligned to the pixel.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && __GNUC__ >= 12
// one body, compiled three times; the loader takes the best that the processor can run (needs glibc's ifunc)
#define EDGE_DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define EDGE_DISPATCHED  // aarch64: NEON is part of the baseline
#endif
#define EDGE_INLINE static inline __attribute__((always_inline))
#define EDGE_PUBLIC extern "C" __attribute__((visibility("default")))

#include "background.hpp"
#include "faults.hpp"
#include "resample.hpp"

namespace {

constexpr int kCell = 4;
constexpr int kGradientRows = 8;
constexpr int kGradientMost = 4095;
constexpr int kGradientBlock = 128;  // 128 * 4095^2 < 2^31
constexpr int kTables = 4;           // neighbours are alike: one table would wait for its own last store
constexpr uint32_t kSpanMost = 65406;            // 129 below the top: room for the rounding
constexpr int kParts = 64;     // of the range, when it is equalised
constexpr int kPlaces = 256;  // in each of them
constexpr double kLevels = 255.0 * 128.0 * 65536.0;
constexpr double kHalf = 64.5 * 65536.0;

template <typename Pixel>
EDGE_INLINE void count_row(const Pixel* row, int width, uint32_t* tables, int& least, int& most) {
  Pixel low = row[0], high = row[0];
  for (int x = 0; x < width; ++x) {
    low = row[x] < low ? row[x] : low;
    high = row[x] > high ? row[x] : high;
  }
  least = low < least ? low : least;
  most = high > most ? high : most;
  int x = 0;
  for (; x + kTables <= width; x += kTables) {
    for (int table = 0; table < kTables; ++table) ++tables[table * kBins + row[x + table]];
  }
  for (; x < width; ++x) ++tables[row[x]];
}

template <typename Pixel>
EDGE_INLINE uint64_t squared_steps(const Pixel* row, int width, int apart) {
  uint64_t sum = 0;
  for (int start = 0; start + apart < width; start += kGradientBlock) {
    const int left = width - apart - start;
    const int length = left < kGradientBlock ? left : kGradientBlock;
    uint32_t block = 0;
    for (int x = 0; x < length; ++x) {
      const int step = static_cast<int>(row[start + x + apart]) - static_cast<int>(row[start + x]);
      const int size = step < 0 ? -step : step;
      const int most = size < kGradientMost ? size : kGradientMost;
      block += static_cast<uint32_t>(most * most);
    }
    sum += block;
  }
  return sum;
}

// What one camera remembers between frames, and what the latest frame gave; native.py mirrors it field by field.
struct Camera {
  double low_share, high_share, min_span;  // settings
  double low_limit, high_limit;            // smoothed; hold once limits_known is not 0
  int64_t limits_known;
  int64_t least, most;  // which bins of the first table the latest survey filled; least > most: none
  // of the latest frame, as in kernels.py
  int64_t low, high, median, samples, at_minimum, at_maximum;
  int64_t steps[3], step_pixels[3];
  int64_t levels_sum, levels_squares, repeats;
};

template <typename Pixel>
EDGE_INLINE void survey(const Picture& picture, int row_step, uint32_t* tables, Camera& camera) {
  const int width = picture.width;
  if (camera.least <= camera.most) {
    std::memset(tables + camera.least, 0, static_cast<size_t>(camera.most - camera.least + 1) * sizeof(uint32_t));
  }
  static constexpr int kApart[3] = {1, 2, 8};
  int least = kBins - 1, most = 0, sampled = 0;
  for (int index = 0; index < 3; ++index) camera.steps[index] = camera.step_pixels[index] = 0;
  for (int y = row_step / 2; y < picture.height; y += row_step, ++sampled) {
    const Pixel* row = row_of<Pixel>(picture, y);
    count_row(row, width, tables, least, most);
    if (sampled % kGradientRows != 0) continue;
    for (int index = 0; index < 3; ++index) {
      if (width <= kApart[index]) continue;
      camera.steps[index] += static_cast<int64_t>(squared_steps(row, width, kApart[index]));
      camera.step_pixels[index] += width - kApart[index];
    }
  }
  for (int table = 1; table < kTables; ++table) {
    uint32_t* extra = tables + table * kBins;
    for (int bin = least; bin <= most; ++bin) {
      tables[bin] += extra[bin];
      extra[bin] = 0;
    }
  }
  camera.least = least;
  camera.most = most;
  camera.samples = static_cast<int64_t>(sampled) * width;
  camera.at_minimum = tables[least];
  camera.at_maximum = tables[most];
}

EDGE_INLINE void find_percentiles(const uint32_t* tables, Camera& camera) {
  const double samples = static_cast<double>(camera.samples);
  const double low = camera.low_share * samples, high = camera.high_share * samples, half = 0.5 * samples;
  camera.low = camera.high = camera.median = -1;
  int64_t cumulative = 0;
  for (int64_t bin = camera.least; bin <= camera.most; ++bin) {
    cumulative += tables[bin];
    const double below = static_cast<double>(cumulative);
    if (camera.low < 0 && below > low) camera.low = bin;
    if (camera.median < 0 && below >= half) camera.median = bin;
    if (camera.high < 0 && below >= high) camera.high = bin;
    if (camera.low >= 0 && camera.median >= 0 && camera.high >= 0) break;
  }
}

EDGE_INLINE void smooth_limits(Camera& camera, double weight, bool learn) {
  if (!learn && camera.limits_known) return;
  double low = static_cast<double>(camera.low), high = static_cast<double>(camera.high);
  const double missing = camera.min_span - (high - low);
  if (missing > 0) {
    low -= missing / 2;
    high += missing / 2;
  }
  if (camera.limits_known && weight < 1.0) {
    low = camera.low_limit + weight * (low - camera.low_limit);
    high = camera.high_limit + weight * (high - camera.high_limit);
  }
  camera.low_limit = low;
  camera.high_limit = high;
  camera.limits_known = 1;
}

// A curve of levels over the range between the limits; native.py mirrors it.
struct Equaliser {
  double plateau_share;  // setting
  double black, span;    // what the curve lies over
  double curve[kParts + 1];
  uint8_t levels[kBins];
};

// As in kernels.py; rounding = half - black * factor in 16 bits, so that the subtraction and the rounding are one addition.
struct Stretch {
  uint16_t black, white, factor, rounding, gain;
};

EDGE_INLINE Stretch stretch_between(double low, double high) {
  const double least = std::floor(low), most = std::ceil(high);
  double span = most - least < 1.0 ? 1.0 : most - least;
  span = span > kSpanMost ? kSpanMost : span;
  double black = least < 0.0 ? 0.0 : least;
  black = black > kBins - 1 - span ? kBins - 1 - span : black;
  const auto wide = static_cast<uint32_t>(span), from = static_cast<uint32_t>(black);
  uint32_t factor = 1;
  while (wide * factor * 2 <= kSpanMost) factor *= 2;
  const auto gain = static_cast<uint32_t>(std::nearbyint(kLevels / static_cast<double>(wide * factor)));
  const auto half = static_cast<uint32_t>(std::nearbyint(kHalf / static_cast<double>(gain)));
  return {static_cast<uint16_t>(from), static_cast<uint16_t>(from + wide), static_cast<uint16_t>(factor),
          static_cast<uint16_t>(half - from * factor), static_cast<uint16_t>(gain)};
}

// In 16-bit words throughout; the shift is a multiplication because the compiler keeps that in words.
EDGE_INLINE uint8_t level_of(uint16_t count, const Stretch& by) {
  const uint16_t above = count > by.black ? count : by.black;
  const uint16_t within = above < by.white ? above : by.white;
  const auto wide = static_cast<uint16_t>(static_cast<uint16_t>(within * by.factor) + by.rounding);
  const auto scaled = static_cast<uint16_t>((static_cast<uint32_t>(wide) * by.gain) >> 16);
  return static_cast<uint8_t>(scaled >> 7);
}

// The quotient is exact: it is further from the next whole number than a double can miss it.
EDGE_INLINE int32_t place_of(int64_t count, const Stretch& by) {
  const auto above = static_cast<int32_t>(count) - by.black, span = by.white - by.black;
  const int32_t within = above < 0 ? 0 : (above > span ? span : above);
  return static_cast<int32_t>(static_cast<double>(within) * (kParts * kPlaces) / static_cast<double>(span));
}

EDGE_INLINE int32_t part_of(int32_t place) { return place < kParts * kPlaces ? place / kPlaces : kParts - 1; }

// The curve at the knots of another range.
EDGE_INLINE void reread(const Equaliser& equaliser, double black, double span, double* before) {
  for (int knot = 0; knot <= kParts; ++knot) {
    const double count = black + knot * (span / kParts);
    double place = (count - equaliser.black) * (kParts / equaliser.span);
    place = place < 0.0 ? 0.0 : (place > kParts ? kParts : place);
    const int part = place < kParts ? static_cast<int>(place) : kParts - 1;
    const double* from = equaliser.curve + part;
    before[knot] = from[0] + (place - part) * (from[1] - from[0]);
  }
}

EDGE_INLINE void learn_curve(const uint32_t* tables, const Camera& camera, const Stretch& by, double weight, bool known,
                             Equaliser& equaliser) {
  int64_t histogram[kParts] = {};
  for (int64_t bin = camera.least; bin <= camera.most; ++bin) histogram[part_of(place_of(bin, by))] += tables[bin];
  const auto share = static_cast<int64_t>(equaliser.plateau_share * static_cast<double>(camera.samples));
  const int64_t most = share < 1 ? 1 : share;
  int64_t total = 0;
  for (int64_t& part : histogram) total += part = part < most ? part : most;
  const double span = by.white - by.black;
  double before[kParts + 1];
  if (known) reread(equaliser, by.black, span, before);
  equaliser.black = by.black;
  equaliser.span = span;
  int64_t below = 0;
  for (int knot = 0; knot <= kParts; ++knot) {
    const double now = static_cast<double>(below) / static_cast<double>(total);
    equaliser.curve[knot] = known && weight < 1.0 ? before[knot] + weight * (now - before[knot]) : now;
    if (knot < kParts) below += histogram[knot];
  }
}

EDGE_INLINE void lay_levels(const Stretch& by, Equaliser& equaliser) {
  uint32_t knots[kParts + 1];
  for (int knot = 0; knot <= kParts; ++knot) {
    knots[knot] = static_cast<uint32_t>(std::nearbyint(equaliser.curve[knot] * (255.0 * kPlaces)));
  }
  std::memset(equaliser.levels, static_cast<int>((knots[0] * kPlaces + (1U << 15)) >> 16), by.black);
  std::memset(equaliser.levels + by.white, static_cast<int>((knots[kParts] * kPlaces + (1U << 15)) >> 16),
              static_cast<size_t>(kBins) - by.white);
  for (int count = by.black; count < by.white; ++count) {
    const int32_t place = place_of(count, by), part = part_of(place);
    const auto beyond = static_cast<uint32_t>(place - part * kPlaces);
    const uint32_t mixed = knots[part] * (kPlaces - beyond) + knots[part + 1] * beyond + (1U << 15);
    equaliser.levels[count] = static_cast<uint8_t>(mixed >> 16);
  }
}

// The sum of each group of four pixels in four rows: in 64-bit words, two sums of pairs at a time.
EDGE_INLINE void sum_cells(const uint16_t* row0, const uint16_t* row1, const uint16_t* row2, const uint16_t* row3,
                           int whole, int32_t* __restrict cells) {
  constexpr uint64_t kPairs = 0x0000FFFF0000FFFFULL;
  for (int cell = 0; cell < whole; ++cell) {
    uint64_t a, b, c, d;
    std::memcpy(&a, row0 + kCell * cell, sizeof a);
    std::memcpy(&b, row1 + kCell * cell, sizeof b);
    std::memcpy(&c, row2 + kCell * cell, sizeof c);
    std::memcpy(&d, row3 + kCell * cell, sizeof d);
    const uint64_t pairs = (a & kPairs) + (b & kPairs) + (c & kPairs) + (d & kPairs) + ((a >> 16) & kPairs) +
                           ((b >> 16) & kPairs) + ((c >> 16) & kPairs) + ((d >> 16) & kPairs);
    cells[cell] = static_cast<int32_t>(static_cast<uint32_t>(pairs) + static_cast<uint32_t>(pairs >> 32));
  }
}

EDGE_INLINE void sum_cells(const uint8_t* row0, const uint8_t* row1, const uint8_t* row2, const uint8_t* row3,
                           int whole, int32_t* __restrict cells) {
  constexpr uint32_t kPairs = 0x00FF00FFU;
  for (int cell = 0; cell < whole; ++cell) {
    uint32_t a, b, c, d;
    std::memcpy(&a, row0 + kCell * cell, sizeof a);
    std::memcpy(&b, row1 + kCell * cell, sizeof b);
    std::memcpy(&c, row2 + kCell * cell, sizeof c);
    std::memcpy(&d, row3 + kCell * cell, sizeof d);
    const uint32_t pairs = (a & kPairs) + (b & kPairs) + (c & kPairs) + (d & kPairs) + ((a >> 8) & kPairs) +
                           ((b >> 8) & kPairs) + ((c >> 8) & kPairs) + ((d >> 8) & kPairs);
    cells[cell] = static_cast<int32_t>((pairs & 0xFFFFU) + (pairs >> 16));
  }
}

// One row of cells. The last cell is moved back into the picture; a picture narrower or lower than a cell is one cell.
template <typename Pixel>
EDGE_INLINE void sum_band(const Pixel* const* band, int rows, int width, int32_t* cells) {
  const int whole = rows == kCell ? width / kCell : 0;
  if (whole > 0) sum_cells(band[0], band[1], band[2], band[3], whole, cells);
  for (int cell = whole; cell * kCell < width; ++cell) {
    const int left = (cell + 1) * kCell <= width ? cell * kCell : (width > kCell ? width - kCell : 0);
    const int right = left + kCell < width ? left + kCell : width;
    int32_t sum = 0;
    for (int row = 0; row < rows; ++row) {
      for (int x = left; x < right; ++x) sum += band[row][x];
    }
    cells[cell] = sum;
  }
}

// Each band of rows is mapped and, while it is at hand, summed; the last band is moved back into the picture.
template <typename Pixel, typename MapRow>
EDGE_INLINE void pass(const Picture& picture, uint8_t* target, ptrdiff_t target_stride, int32_t* cells, MapRow map_row) {
  const int height = picture.height, width = picture.width;
  const int rows = height < kCell ? height : kCell;
  for (int top = 0; top < height; top += kCell) {
    const int first = top + rows <= height ? top : height - rows;
    const Pixel* band[kCell];
    for (int row = 0; row < rows; ++row) band[row] = row_of<Pixel>(picture, first + row, row);
    for (int y = top; y < first + rows; ++y) map_row(band[y - first], target + y * target_stride);
    if (cells == nullptr) continue;
    sum_band(band, rows, width, cells + static_cast<ptrdiff_t>(top / kCell) * ((width + kCell - 1) / kCell));
  }
}

// Sums of the samples' levels, and of their squares.
template <typename LevelOf>
EDGE_INLINE void sum_levels(const uint32_t* tables, Camera& camera, LevelOf level) {
  uint64_t sum = 0, squares = 0;
  for (int64_t bin = camera.least; bin <= camera.most; ++bin) {
    const uint32_t one = level(static_cast<uint16_t>(bin));
    const uint64_t weighted = static_cast<uint64_t>(tables[bin]) * one;
    sum += weighted;
    squares += weighted * one;
  }
  camera.levels_sum = static_cast<int64_t>(sum);
  camera.levels_squares = static_cast<int64_t>(squares);
}

}  // namespace

EDGE_PUBLIC int edge_version() { return 7; }

// One frame: survey, limits, mapping, cells. cells: null or where they go; before: null or the cells to compare with.
EDGE_PUBLIC EDGE_DISPATCHED void edge_expose(const void* pixels, ptrdiff_t stride, int height, int width,
                                             int bytes_per_pixel, int row_step, double weight, int learn, int flip,
                                             uint8_t* target, ptrdiff_t target_stride, int32_t* cells,
                                             const int32_t* before, uint32_t* tables, const Faults* faults,
                                             Camera* state, Equaliser* equaliser) {
  Camera& camera = *state;
  const Picture picture{pixels, stride, height, width, faults};
  const auto mask = static_cast<uint8_t>(flip ? 255 : 0);
  if (bytes_per_pixel == 1) {
    survey<uint8_t>(picture, row_step, tables, camera);
    find_percentiles(tables, camera);
    sum_levels(tables, camera, [](uint16_t level) { return level; });
    pass<uint8_t>(picture, target, target_stride, cells,
                  [=](const uint8_t* __restrict row, uint8_t* __restrict to) {
                    for (int x = 0; x < width; ++x) to[x] = row[x] ^ mask;
                  });
  } else {
    survey<uint16_t>(picture, row_step, tables, camera);
    find_percentiles(tables, camera);
    const bool known = camera.limits_known != 0;
    smooth_limits(camera, weight, learn != 0);
    Stretch by = stretch_between(camera.low_limit, camera.high_limit);
    asm volatile("" : "+m"(by));  // forget that these came from 32-bit words, or the compiler multiplies in such words
    if (equaliser == nullptr) {
      sum_levels(tables, camera, [=](uint16_t count) { return level_of(count, by); });
      pass<uint16_t>(picture, target, target_stride, cells,
                     [=](const uint16_t* __restrict row, uint8_t* __restrict to) {
                       for (int x = 0; x < width; ++x) to[x] = level_of(row[x], by) ^ mask;
                     });
    } else {
      if (learn != 0 || !known) learn_curve(tables, camera, by, weight, known, *equaliser);
      lay_levels(by, *equaliser);
      const uint8_t* __restrict levels = equaliser->levels;
      sum_levels(tables, camera, [=](uint16_t count) { return levels[count]; });
      pass<uint16_t>(picture, target, target_stride, cells,
                     [=](const uint16_t* __restrict row, uint8_t* __restrict to) {
                       for (int x = 0; x < width; ++x) to[x] = levels[row[x]] ^ mask;
                     });
    }
  }
  const size_t cell_count = static_cast<size_t>((height + kCell - 1) / kCell) *
                            static_cast<size_t>((width + kCell - 1) / kCell);
  camera.repeats = cells != nullptr && before != nullptr && std::memcmp(cells, before, cell_count * sizeof *cells) == 0;
}

// Compares a frame's cells with the background, counts the cells that move in each tile, and learns.
EDGE_PUBLIC EDGE_DISPATCHED void edge_watch(const int32_t* cells, int32_t* ground, int32_t* deviation, int rows,
                                            int columns, int floor, int weight, int rounding, uint8_t* moves,
                                            uint8_t* tiles, Background* background) {
  const int count = rows * columns;
  const int64_t usual = kFactor * background->deviation_mean;
  const int32_t most = usual > floor ? static_cast<int32_t>(usual) : floor;
  const int32_t offset = common_offset(cells, ground, count, most);
  const int tile_columns = (columns + kTile - 1) / kTile;
  std::memset(tiles, 0, static_cast<size_t>((rows + kTile - 1) / kTile) * static_cast<size_t>(tile_columns));
  int64_t moving = 0, deviations = 0;
  for (int row = 0; row < rows; ++row) {
    const ptrdiff_t at = static_cast<ptrdiff_t>(row) * columns;
    const int moved = watch_row(cells + at, ground + at, deviation + at, columns, offset, floor, weight, rounding, moves,
                                deviations);
    moving += moved;
    if (moved == 0) continue;
    count_tiles(moves, columns, tiles + static_cast<ptrdiff_t>(row / kTile) * tile_columns);
  }
  background->deviation_mean = deviations / count;
  background->moving = moving;
  background->renewed = 8 * moving > count;
  if (background->renewed) {
    for (int cell = 0; cell < count; ++cell) ground[cell] = cells[cell] * kFineness;
  }
}
