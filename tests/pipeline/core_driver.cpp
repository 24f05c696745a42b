// Runs the native core over small and odd frames, each in memory of exactly its size, so that AddressSanitizer sees one
// pixel too many and UndefinedBehaviorSanitizer a word that overflows; prints a checksum that every processor must share.

#include <cstdio>
#include <memory>

#include "../../edge/pipeline/preprocess/core.cpp"

namespace {

uint32_t dice = 1;
uint64_t checksum = 0;

uint32_t roll() { return dice = dice * 1664525U + 1013904223U; }

void add(const void* memory, size_t bytes) {
  const auto* byte = static_cast<const uint8_t*>(memory);
  for (size_t index = 0; index < bytes; ++index) checksum = checksum * 1099511628211ULL + byte[index];
}

template <typename Pixel>
void film(int height, int width, int style, int padding, bool upside_down) {
  const int row = width + padding;
  const size_t count = static_cast<size_t>(row) * static_cast<size_t>(height) - static_cast<size_t>(padding);
  const size_t area = static_cast<size_t>(height) * static_cast<size_t>(width);
  const size_t cell_count = static_cast<size_t>((height + 3) / 4) * static_cast<size_t>((width + 3) / 4);
  std::unique_ptr<Pixel[]> pixels(new Pixel[count]);
  std::unique_ptr<uint8_t[]> levels(new uint8_t[area]);
  std::unique_ptr<int32_t[]> cells(new int32_t[cell_count]), before(new int32_t[cell_count]);
  std::unique_ptr<uint32_t[]> tables(new uint32_t[kTables * kBins]());
  const int cell_rows = (height + 3) / 4, cell_columns = (width + 3) / 4;
  const size_t tile_count = static_cast<size_t>((cell_rows + 7) / 8) * static_cast<size_t>((cell_columns + 7) / 8);
  std::unique_ptr<int32_t[]> ground(new int32_t[cell_count]()), deviation(new int32_t[cell_count]());
  std::unique_ptr<uint8_t[]> moves(new uint8_t[cell_columns]), tiles(new uint8_t[tile_count]);
  Background background{};
  std::unique_ptr<int32_t[]> starts(new int32_t[height + 1]()), columns(new int32_t[area]);
  std::unique_ptr<Pixel[]> room(new Pixel[kCell * width]);
  for (int y = 0, dead = 0; y < height; starts[++y] = dead) {  // every third pixel within the rim, in some of the rows
    if (y == 0 || y == height - 1 || y % 3 == 2) continue;
    for (int x = 1; x < width - 1; x += 3) columns[dead++] = x;
  }
  std::unique_ptr<int32_t[]> stripes(new int32_t[width]);
  for (int x = 0; x < width; ++x) stripes[x] = x % 7 == 0 ? -65535 : x % 5 == 0 ? 65535 : x % 23 - 11;
  const Faults none{}, faults{starts.get(), columns.get(), room.get(), sizeof(Pixel) == 2 ? stripes.get() : nullptr};
  std::unique_ptr<Equaliser> curve(new Equaliser{});
  curve->plateau_share = 0.03;
  Camera camera{};
  camera.low_share = 0.01;
  camera.high_share = 0.998;
  camera.min_span = style == 3 ? 1.0 : 60.0;
  camera.most = -1;
  const auto stride = static_cast<ptrdiff_t>(row * static_cast<int>(sizeof(Pixel)));
  for (int frame = 0; frame < 4; ++frame) {
    Equaliser* equaliser = style == 1 ? curve.get() : nullptr;
    for (size_t index = 0; index < count; ++index) {
      const uint32_t value = style == 0 ? roll() >> 16 : style == 1 ? 8000 + roll() % 97 : style == 2 ? 65535U : 0U;
      pixels[index] = static_cast<Pixel>(value);
    }
    const Pixel* first = upside_down ? pixels.get() + static_cast<ptrdiff_t>(height - 1) * row : pixels.get();
    edge_expose(first, upside_down ? -stride : stride, height, width, sizeof(Pixel), height > 8 ? 3 : 1, 0.25,
                frame != 2, frame == 3, levels.get(), width, cells.get(), frame ? before.get() : nullptr, tables.get(),
                frame % 2 ? &faults : &none, &camera, equaliser);
    add(levels.get(), area);
    add(cells.get(), cell_count * sizeof(int32_t));
    edge_watch(cells.get(), ground.get(), deviation.get(), cell_rows, cell_columns, 512, 40 + frame, 512, moves.get(),
               tiles.get(), &background);
    add(ground.get(), cell_count * sizeof(int32_t));
    add(tiles.get(), tile_count);
    add(&background, sizeof background);
    add(&camera.low, sizeof camera - offsetof(Camera, low));
    std::swap(cells, before);
  }
}

// Everything that a side can come from lies within the picture, and nothing but the target is written.
void enlarge(int height, int width, int target_height, int target_width) {
  std::unique_ptr<uint8_t[]> picture(new uint8_t[static_cast<size_t>(height * width)]);
  std::unique_ptr<uint8_t[]> target(new uint8_t[static_cast<size_t>(target_height * target_width)]);
  std::unique_ptr<uint16_t[]> mixed(new uint16_t[width]), weights[2];
  std::unique_ptr<ptrdiff_t[]> first[2], second[2];
  for (int index = 0; index < height * width; ++index) picture[index] = static_cast<uint8_t>(roll() >> 24);
  const int lengths[] = {height, width}, wanted[] = {target_height, target_width};
  for (int side = 0; side < 2; ++side) {
    first[side].reset(new ptrdiff_t[wanted[side]]);
    second[side].reset(new ptrdiff_t[wanted[side]]);
    weights[side].reset(new uint16_t[wanted[side]]);
    for (int at = 0; at < wanted[side]; ++at) {
      first[side][at] = static_cast<ptrdiff_t>(at) * lengths[side] / wanted[side];
      second[side][at] = first[side][at] + 1 < lengths[side] ? first[side][at] + 1 : lengths[side] - 1;
      weights[side][at] = static_cast<uint16_t>(roll() % 257);
    }
  }
  const Places rows{first[0].get(), second[0].get(), weights[0].get()};
  const Places columns{first[1].get(), second[1].get(), weights[1].get()};
  edge_resample(picture.get(), width, width, target.get(), target_width, target_height, target_width, &rows, &columns,
                mixed.get());
  add(target.get(), static_cast<size_t>(target_height * target_width));
}

}  // namespace

int main() {
  constexpr int kSizes[][2] = {{1, 1}, {1, 9}, {3, 5}, {4, 4}, {5, 7}, {8, 64}, {13, 129}, {31, 83}, {66, 131}};
  for (const auto& size : kSizes) {
    enlarge(size[0], size[1], 2 * size[0] + 1, 3 * size[1]);
    enlarge(size[0], size[1], (size[0] + 1) / 2, (size[1] + 2) / 3);
    for (int style = 0; style < 4; ++style) {
      film<uint16_t>(size[0], size[1], style, style, style == 1);
      film<uint8_t>(size[0], size[1], style, style, style == 0);
    }
  }
  std::printf("%016llx\n", static_cast<unsigned long long>(checksum));
  return 0;
}
