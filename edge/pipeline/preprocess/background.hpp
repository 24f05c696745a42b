// How a camera's cells are compared with what they usually are; part of core.cpp, specified in ground.py and kernels.py.

namespace {

constexpr int kTile = 8;                         // cells
constexpr int32_t kFineness = 16;                // a background is kept in 16ths of a cell's sum
constexpr int32_t kFactor = 7;                   // mean deviations that a cell must differ by to move
constexpr int32_t kStepMost = 1 << 19;           // longest step of a background before it is weighted: fits 32 bits

// A camera's background, kept between frames; native.py mirrors it.
struct Background {
  int64_t deviation_mean;  // over all cells, after the latest frame
  int64_t moving;          // of the latest frame: cells
  int64_t renewed;         // more than an eighth of them: everything was learnt anew
};

EDGE_INLINE int32_t clipped(int32_t value, int32_t most) {
  const int32_t above = value < most ? value : most;
  return above > -most ? above : -most;
}

// How far all cells have moved together: the mean of what is clipped, so that a body in front of them hardly counts.
EDGE_INLINE int32_t common_offset(const int32_t* __restrict cells, const int32_t* __restrict ground, int count,
                                  int32_t most) {
  int64_t sum = 0;
  for (int start = 0; start < count; start += 64) {  // 64 * 2^24 < 2^31
    const int end = count - start < 64 ? count : start + 64;
    int32_t part = 0;
    for (int cell = start; cell < end; ++cell) part += clipped(cells[cell] * kFineness - ground[cell], most);
    sum += part;
  }
  const int64_t whole = sum / count;
  return static_cast<int32_t>(sum % count < 0 ? whole - 1 : whole);
}

// One row of cells: which move, into tiles; then learn. Returns how many move.
EDGE_INLINE int watch_row(const int32_t* __restrict cells, int32_t* __restrict ground, int32_t* __restrict deviation,
                          int columns, int32_t offset, int32_t floor, int32_t weight, int32_t rounding,
                          uint8_t* __restrict moves, int64_t& deviations) {
  int moving = 0;
  int64_t sum = 0;  // of deviations in 64ths
  for (int cell = 0; cell < columns; ++cell) {
    const int32_t apart = cells[cell] * kFineness - ground[cell] - offset;
    const int32_t size = apart < 0 ? -apart : apart;
    const int32_t usual = deviation[cell];
    const int32_t threshold = kFactor * usual > floor ? kFactor * usual : floor;
    const int move = size > threshold;
    moves[cell] = static_cast<uint8_t>(move);
    moving += move;
    const int32_t bounded = size < 4 * usual + floor ? size : 4 * usual + floor;
    const int32_t wider = clipped(bounded - usual, kStepMost), farther = clipped(apart, kStepMost);
    const int32_t learnt = usual + (((move ? wider >> 3 : wider) * weight + rounding) >> 10);
    deviation[cell] = learnt;
    ground[cell] += offset + (((move ? farther >> 2 : farther) * weight + rounding) >> 10);
    sum += learnt >> 6;
  }
  deviations += sum << 6;
  return moving;
}

// Adds a row's moving cells to its tiles: the eight bytes of a tile at once, by a product whose top byte is their sum.
EDGE_INLINE void count_tiles(const uint8_t* __restrict moves, int columns, uint8_t* __restrict tiles) {
  const int whole = columns / kTile;
  for (int tile = 0; tile < whole; ++tile) {
    uint64_t eight;
    std::memcpy(&eight, moves + kTile * tile, sizeof eight);
    tiles[tile] = static_cast<uint8_t>(tiles[tile] + (eight * 0x0101010101010101ULL >> 56));
  }
  for (int cell = whole * kTile; cell < columns; ++cell) tiles[whole] = static_cast<uint8_t>(tiles[whole] + moves[cell]);
}

}  // namespace
