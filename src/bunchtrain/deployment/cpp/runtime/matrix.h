// Dense layers: y = x W + b for a few rows at a time, in registers as wide as the machine's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace bunchtrain {

#if defined(__AVX512F__)
constexpr std::size_t lanes = 16;
constexpr int most_panels = 4;  // registers a row: with six rows they fit the 32 of AVX-512
#elif defined(__AVX__)
constexpr std::size_t lanes = 8;
constexpr int most_panels = 2;
#else
constexpr std::size_t lanes = 4;
constexpr int most_panels = 2;
#endif

#if defined(__GNUC__)
typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));
#define BUNCHTRAIN_UNROLL _Pragma("GCC unroll 8")
#else
#define BUNCHTRAIN_UNROLL
struct Vector {
  float value[lanes];
  Vector& operator+=(const Vector& other) {
    for (std::size_t i = 0; i < lanes; ++i) value[i] += other.value[i];
    return *this;
  }
  friend Vector operator*(float factor, Vector vector) {
    for (std::size_t i = 0; i < lanes; ++i) vector.value[i] *= factor;
    return vector;
  }
};
#endif

inline Vector load(const float* from) {
  Vector made;
  std::memcpy(&made, from, sizeof made);
  return made;
}

inline void store(float* to, const Vector& vector) { std::memcpy(to, &vector, sizeof vector); }

inline std::size_t padded(std::size_t columns) { return (columns + lanes - 1) / lanes * lanes; }

// Rows of floats, `stride` apart; the values from `columns` to `stride` are padding.
struct View {
  float* data;
  std::size_t rows, columns, stride;
  float* row(std::size_t number) const { return data + number * stride; }
};

// Weights and bias of y = x W + b, stored as panels of columns that are read in sequence.
class Matrix {
 public:
  Matrix() = default;

  // weights  (outputs, inputs), row by row.
  Matrix(const std::vector<float>& weights, const std::vector<float>& bias, std::size_t inputs)
      : inputs_(inputs), outputs_(bias.size()), stride_(padded(outputs_)) {
    if (weights.size() != inputs * outputs_)
      throw std::runtime_error("the network has a dense layer whose weights do not fit its bias");
    bias_.assign(stride_, 0.0f);
    std::copy(bias.begin(), bias.end(), bias_.begin());
    weights_.assign(inputs * stride_, 0.0f);
    for (std::size_t first = 0; first < stride_; first += width(first))
      for (std::size_t k = 0; k < inputs; ++k)
        for (std::size_t j = first; j < std::min(first + width(first), outputs_); ++j)
          weights_[first * inputs + k * width(first) + (j - first)] = weights[j * inputs + k];
  }

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }

  // Writes y for all rows of x; y's rows must be padded(outputs) apart at least.
  void apply(const float* x, std::size_t x_stride, std::size_t rows, float* y,
             std::size_t y_stride) const {
    for (std::size_t first = 0; first < stride_; first += width(first)) {
      const float* w = weights_.data() + first * inputs_;
      const Block block{x, x_stride, w, bias_.data() + first, inputs_, y + first, y_stride};
      switch (width(first) / lanes) {
        case 4: panel<4>(block, rows); break;
        case 3: panel<3>(block, rows); break;
        case 2: panel<2>(block, rows); break;
        default: panel<1>(block, rows);
      }
    }
  }

 private:
  struct Block {
    const float* x;
    std::size_t x_stride;
    const float *w, *bias;
    std::size_t inputs;
    float* y;
    std::size_t y_stride;
  };

  // Columns of the panel that begins at column `first`.
  std::size_t width(std::size_t first) const {
    return std::min(lanes * most_panels, stride_ - first);
  }

  template <int panels>
  static void panel(Block block, std::size_t rows) {
    for (; rows >= 6; rows -= 6) forward<6, panels>(block);
    for (; rows >= 3; rows -= 3) forward<3, panels>(block);
    for (; rows >= 1; rows -= 1) forward<1, panels>(block);
  }

  template <int rows, int panels>
  static void forward(Block& block) {
    tile<rows, panels>(block);
    block.x += rows * block.x_stride;
    block.y += rows * block.y_stride;
  }

  template <int rows, int panels>
  static void tile(const Block& block) {
    Vector sum[rows][panels];
    BUNCHTRAIN_UNROLL
    for (int r = 0; r < rows; ++r)
      BUNCHTRAIN_UNROLL
      for (int p = 0; p < panels; ++p) sum[r][p] = load(block.bias + p * lanes);
    const float* w = block.w;
    for (std::size_t k = 0; k < block.inputs; ++k, w += panels * lanes) {
      Vector column[panels];
      BUNCHTRAIN_UNROLL
      for (int p = 0; p < panels; ++p) column[p] = load(w + p * lanes);
      BUNCHTRAIN_UNROLL
      for (int r = 0; r < rows; ++r) {
        const float value = block.x[r * block.x_stride + k];
        BUNCHTRAIN_UNROLL
        for (int p = 0; p < panels; ++p) sum[r][p] += value * column[p];
      }
    }
    BUNCHTRAIN_UNROLL
    for (int r = 0; r < rows; ++r)
      BUNCHTRAIN_UNROLL
      for (int p = 0; p < panels; ++p)
        store(block.y + r * block.y_stride + p * lanes, sum[r][p]);
  }

  std::size_t inputs_ = 0, outputs_ = 0, stride_ = 0;
  std::vector<float> bias_, weights_;
};

}  // namespace bunchtrain
