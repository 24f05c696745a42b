// A picture scaled to the model's input; part of core.cpp, specified in scaling.py.

namespace {

// Where the pixels of one side come from: nearer one, other one, 256ths of the other.
struct Places {
  const ptrdiff_t* first;
  const ptrdiff_t* second;
  const uint16_t* weight;
};

// One row between two of the picture; the weights sum to 256, so 255 * 256 is the most and fits 16 bits.
EDGE_INLINE void mix_rows(const uint8_t* __restrict above, const uint8_t* __restrict below, int weight, int width,
                          uint16_t* __restrict mixed) {
  for (int x = 0; x < width; ++x) mixed[x] = static_cast<uint16_t>(above[x] * (256 - weight) + below[x] * weight);
}

}  // namespace

// Fills target from picture. ``mixed`` is room for one row of the picture.
EDGE_PUBLIC EDGE_DISPATCHED void edge_resample(const uint8_t* picture, ptrdiff_t stride, int width, uint8_t* target,
                                               ptrdiff_t target_stride, int target_height, int target_width,
                                               const Places* rows, const Places* columns, uint16_t* mixed) {
  for (int y = 0; y < target_height; ++y) {
    mix_rows(picture + rows->first[y] * stride, picture + rows->second[y] * stride, rows->weight[y], width, mixed);
    uint8_t* __restrict to = target + y * target_stride;
    const uint16_t* __restrict from = mixed;
    for (int x = 0; x < target_width; ++x) {
      const uint32_t second = columns->weight[x];
      const uint32_t sum = from[columns->first[x]] * (256u - second) + from[columns->second[x]] * second;
      to[x] = static_cast<uint8_t>((sum + 32768u) >> 16);
    }
  }
}
