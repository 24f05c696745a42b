// A picture's rows as they should be, without the stripes and dead pixels of its sensor; part of core.cpp, specified in
// kernels.py.

namespace {

constexpr int kBins = 65536;

// What is wrong with a sensor; native.py mirrors it.
struct Faults {
  const int32_t* starts;   // height + 1: where the dead pixels of each row begin; null: none are known
  const int32_t* columns;  // of the dead pixels; none of them lies on the rim
  void* room;              // for kCell rows
  const int32_t* stripes;  // what each column has too many; null: nothing is known, or the picture has 8 bits
};

struct Picture {
  const void* pixels;
  ptrdiff_t stride;
  int height, width;
  const Faults* faults;
};

template <typename Pixel>
EDGE_INLINE const Pixel* raw_row(const Picture& of, ptrdiff_t row) {
  return reinterpret_cast<const Pixel*>(static_cast<const char*>(of.pixels) + row * of.stride);
}

template <typename Pixel>
EDGE_INLINE Pixel middle_of_sides(int up, int down, int left, int right) {
  const int most_across = left > right ? left : right, least_across = left > right ? right : left;
  const int most_along = up > down ? up : down, least_along = up > down ? down : up;
  const int most = most_across > most_along ? most_across : most_along;
  const int least = least_across < least_along ? least_across : least_along;
  return static_cast<Pixel>((up + down + left + right - most - least) >> 1);
}

template <typename Pixel>
EDGE_INLINE Pixel straight(const Pixel* row, int x, const int32_t* stripes) {
  if (stripes == nullptr) return row[x];
  const int32_t value = static_cast<int32_t>(row[x]) - stripes[x], above = value < 0 ? 0 : value;
  return static_cast<Pixel>(above < kBins ? above : kBins - 1);
}

// A row as it should be: where it lies, or, if pixels of it are wrong, a copy in the given place of the room.
template <typename Pixel>
EDGE_INLINE const Pixel* row_of(const Picture& of, int row, int place = 0) {
  const Pixel* raw = raw_row<Pixel>(of, row);
  const Faults& faults = *of.faults;
  const int32_t* __restrict stripes = faults.stripes;
  if (faults.starts == nullptr || (stripes == nullptr && faults.starts[row] == faults.starts[row + 1])) return raw;
  Pixel* mended = static_cast<Pixel*>(faults.room) + static_cast<ptrdiff_t>(place) * of.width;
  if (stripes == nullptr) {
    std::memcpy(mended, raw, static_cast<size_t>(of.width) * sizeof(Pixel));
  } else {
    for (int x = 0; x < of.width; ++x) mended[x] = straight(raw, x, stripes);
  }
  const Pixel *above = raw_row<Pixel>(of, row - 1), *below = raw_row<Pixel>(of, row + 1);
  for (int32_t index = faults.starts[row]; index < faults.starts[row + 1]; ++index) {
    const int32_t x = faults.columns[index];
    mended[x] = middle_of_sides<Pixel>(straight(above, x, stripes), straight(below, x, stripes),
                                       straight(raw, x - 1, stripes), straight(raw, x + 1, stripes));
  }
  return mended;
}

}  // namespace
