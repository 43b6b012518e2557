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
  friend Vector operator*(Vector vector, const Vector& other) {
    for (std::size_t i = 0; i < lanes; ++i) vector.value[i] *= other.value[i];
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

// Columns of the panel of a packed matrix that begins at column `first` of `stride`.
inline std::size_t panel_width(std::size_t first, std::size_t stride) {
  return std::min(lanes * most_panels, stride - first);
}

// Packs a matrix W of `inputs` rows and `outputs` columns, W_kj = from[k · row + j · column], times
// a factor, as panels of columns that are read in sequence; `panels` has inputs · padded(outputs)
// numbers.
inline void pack(const float* from, std::size_t row, std::size_t column, std::size_t inputs,
                 std::size_t outputs, float factor, float* panels) {
  const std::size_t stride = padded(outputs);
  for (std::size_t first = 0; first < stride; first += panel_width(first, stride)) {
    const std::size_t width = panel_width(first, stride), end = std::min(first + width, outputs);
    for (std::size_t k = 0; k < inputs; ++k) {
      float* to = panels + first * inputs + k * width;
      std::fill(to, to + width, 0.0f);
      for (std::size_t j = first; j < end; ++j) to[j - first] = factor * from[k * row + j * column];
    }
  }
}

// y = x W + b for rows of x; rows of b are `b_stride` apart, 0 if it is the same for all rows.
struct Product {
  const float* x;
  std::size_t x_stride, inputs;
  const float *w, *b;  // w is packed
  std::size_t b_stride;
  float* y;
  std::size_t y_stride;

  // Writes `rows` rows of y, of padded(outputs) columns.
  void run(std::size_t rows, std::size_t outputs) const {
    const std::size_t stride = padded(outputs);
    for (std::size_t first = 0; first < stride; first += panel_width(first, stride)) {
      Product one = *this;
      one.w += first * inputs;
      one.b += first;
      one.y += first;
      switch (panel_width(first, stride) / lanes) {
        case 4: one.panel<4>(rows); break;
        case 3: one.panel<3>(rows); break;
        case 2: one.panel<2>(rows); break;
        default: one.panel<1>(rows);
      }
    }
  }

 private:
  template <int panels>
  void panel(std::size_t rows) {
    for (; rows >= 6; rows -= 6) forward<6, panels>();
    for (; rows >= 3; rows -= 3) forward<3, panels>();
    for (; rows >= 1; rows -= 1) forward<1, panels>();
  }

  template <int rows, int panels>
  void forward() {
    tile<rows, panels>();
    x += rows * x_stride;
    b += rows * b_stride;
    y += rows * y_stride;
  }

  template <int rows, int panels>
  void tile() const {
    Vector sum[rows][panels];
    BUNCHTRAIN_UNROLL
    for (int r = 0; r < rows; ++r)
      BUNCHTRAIN_UNROLL
      for (int p = 0; p < panels; ++p) sum[r][p] = load(b + r * b_stride + p * lanes);
    const float* weights = w;
    for (std::size_t k = 0; k < inputs; ++k, weights += panels * lanes) {
      Vector column[panels];
      BUNCHTRAIN_UNROLL
      for (int p = 0; p < panels; ++p) column[p] = load(weights + p * lanes);
      BUNCHTRAIN_UNROLL
      for (int r = 0; r < rows; ++r) {
        const float value = x[r * x_stride + k];
        BUNCHTRAIN_UNROLL
        for (int p = 0; p < panels; ++p) sum[r][p] += value * column[p];
      }
    }
    BUNCHTRAIN_UNROLL
    for (int r = 0; r < rows; ++r)
      BUNCHTRAIN_UNROLL
      for (int p = 0; p < panels; ++p) store(y + r * y_stride + p * lanes, sum[r][p]);
  }
};

// Weights and bias of y = x W + b.
class Matrix {
 public:
  Matrix() = default;

  // weights  (outputs, inputs), row by row.
  Matrix(const std::vector<float>& weights, const std::vector<float>& bias, std::size_t inputs)
      : inputs_(inputs), outputs_(bias.size()) {
    if (weights.size() != inputs * outputs_)
      throw std::runtime_error("the network has a dense layer whose weights do not fit its bias");
    bias_.assign(padded(outputs_), 0.0f);
    std::copy(bias.begin(), bias.end(), bias_.begin());
    weights_.resize(inputs * padded(outputs_));
    pack(weights.data(), 1, inputs, inputs, outputs_, 1.0f, weights_.data());
  }

  std::size_t inputs() const { return inputs_; }
  std::size_t outputs() const { return outputs_; }

  // Writes y for all rows of x; y's rows must be padded(outputs) apart at least.
  void apply(const float* x, std::size_t x_stride, std::size_t rows, float* y,
             std::size_t y_stride) const {
    Product{x, x_stride, inputs_, weights_.data(), bias_.data(), 0, y, y_stride}.run(rows, outputs_);
  }

 private:
  std::size_t inputs_ = 0, outputs_ = 0;
  std::vector<float> bias_, weights_;
};

}  // namespace bunchtrain
