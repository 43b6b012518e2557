// The layers of a network. Each reads one or two tensors and writes one; `run` does not allocate.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "functions.h"
#include "json.h"

namespace bunchtrain {

inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error("the network has " + what);
}

// 1 / (1 + e^-x), to full relative precision also where e^-x is infinite.
inline float sigmoid(float x) {
  const float small = std::exp(-std::abs(x));
  return (x < 0 ? small : 1.0f) / (1.0f + small);
}

// Activation functions, with PyTorch's constants.
class Activation {
 public:
  explicit Activation(const std::string& name = "linear", float slope = 0.01f) : slope_(slope) {
    const char* known[] = {"linear", "relu", "leaky_relu", "elu", "selu",
                           "gelu",   "silu", "tanh",       "sigmoid"};
    for (int i = 0; i < 9; ++i)
      if (name == known[i]) kind_ = static_cast<Kind>(i);
    require(kind_ != Kind::unknown, "an unknown activation '" + name + "'");
  }

  void apply(const View& x) const {
    if (kind_ == Kind::linear) return;
    for (std::size_t i = 0; i < x.rows; ++i) apply(x.row(i), x.columns);
  }

  void apply(float* x, std::size_t count) const {
    switch (kind_) {
      case Kind::relu: each(x, count, [](float v) { return v < 0 ? 0.0f : v; }); break;
      case Kind::leaky_relu: each(x, count, [this](float v) { return v > 0 ? v : slope_ * v; }); break;
      case Kind::elu: each(x, count, [](float v) { return v > 0 ? v : std::expm1(v); }); break;
      case Kind::selu:
        each(x, count, [](float v) {
          return 1.05070098735548049f * (v > 0 ? v : 1.67326324235437728f * std::expm1(v));
        });
        break;
      case Kind::gelu:
        each(x, count, [](float v) {
          return 0.5f * v * (1.0f + error_function(v * 0.70710678118654752f));
        });
        break;
      case Kind::silu: each(x, count, [](float v) { return v * sigmoid(v); }); break;
      case Kind::tanh: each(x, count, [](float v) { return std::tanh(v); }); break;
      case Kind::sigmoid: each(x, count, [](float v) { return sigmoid(v); }); break;
      default: break;
    }
  }

 private:
  enum class Kind { linear, relu, leaky_relu, elu, selu, gelu, silu, tanh, sigmoid, unknown };

  template <class Function>
  static void each(float* x, std::size_t count, Function function) {
    for (std::size_t i = 0; i < count; ++i) x[i] = function(x[i]);
  }

  Kind kind_ = Kind::unknown;
  float slope_;
};

class Layer {
 public:
  virtual ~Layer() = default;
  // Checks the shapes of its tensors against its weights.
  virtual void check(const View& in, const View& second, const View& out) const = 0;
  virtual void run(const View& in, const View& second, const View& out, float* scratch) const = 0;
  // Floats of temporary memory for this number of rows.
  virtual std::size_t scratch(std::size_t) const { return 0; }

  std::size_t in = 0, second = 0, out = 0;
};

// y = activation(W x + b), for each row.
class Dense : public Layer {
 public:
  explicit Dense(const Json& json)
      : activation_(json.has("activation") ? json["activation"].text() : "linear",
                    json.has("slope") ? static_cast<float>(json["slope"].number()) : 0.01f),
        matrix_(json["weights"].numbers(), json["bias"].numbers(), json["inputs"].size()) {}

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == matrix_.inputs() && out.columns == matrix_.outputs(),
            "a dense layer that does not fit its tensors");
    require(in.rows == out.rows, "a dense layer that changes the number of rows");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    matrix_.apply(in.data, in.stride, in.rows, out.data, out.stride);
    activation_.apply(out);
  }

 private:
  Activation activation_;
  Matrix matrix_;
};

// y = activation(x · scale + shift), column by column.
class Affine : public Layer {
 public:
  explicit Affine(const Json& json)
      : activation_(json.has("activation") ? json["activation"].text() : "linear",
                    json.has("slope") ? static_cast<float>(json["slope"].number()) : 0.01f),
        scale_(json["scale"].numbers()),
        shift_(json["shift"].numbers()) {}

  void check(const View& in, const View&, const View& out) const override {
    require(scale_.size() == in.columns && shift_.size() == in.columns && out.columns == in.columns,
            "an affine layer that does not fit its tensors");
    require(in.rows == out.rows, "an affine layer that changes the number of rows");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    for (std::size_t i = 0; i < in.rows; ++i)
      for (std::size_t j = 0; j < in.columns; ++j)
        out.row(i)[j] = in.row(i)[j] * scale_[j] + shift_[j];
    activation_.apply(out);
  }

 private:
  Activation activation_;
  std::vector<float> scale_, shift_;
};

// Sum, mean or maximum over the points of an event; 0 without points.
class Pool : public Layer {
 public:
  enum class Kind { sum, mean, max };
  explicit Pool(Kind kind) : kind_(kind) {}

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == out.columns && out.rows == 1, "a pooling that does not fit its tensors");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    const std::size_t n = in.columns;
    float* y = out.data;
    std::fill(y, y + n, 0.0f);
    if (in.rows == 0) return;
    std::copy(in.data, in.data + n, y);
    for (std::size_t i = 1; i < in.rows; ++i) {
      const float* x = in.row(i);
      if (kind_ == Kind::max)
        for (std::size_t j = 0; j < n; ++j) y[j] = x[j] > y[j] ? x[j] : y[j];
      else
        for (std::size_t j = 0; j < n; ++j) y[j] += x[j];
    }
    if (kind_ == Kind::mean)
      for (std::size_t j = 0; j < n; ++j) y[j] /= static_cast<float>(in.rows);
  }

 private:
  Kind kind_;
};

// z_i = pT_i / Σ_j pT_j from rows (E, px, py, pz); 0 where all pT are 0.
class Fractions : public Layer {
 public:
  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == 4 && out.columns == 1 && in.rows == out.rows,
            "fractions of something else than momenta");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    float total = 0;
    for (std::size_t i = 0; i < in.rows; ++i) {
      const float* p = in.row(i);
      total += *out.row(i) = std::sqrt(p[1] * p[1] + p[2] * p[2]);
    }
    for (std::size_t i = 0; i < in.rows; ++i) *out.row(i) /= total > 0 ? total : 1.0f;
  }
};

// Element by element, or a column against every column: x · y or x + y.
class Combine : public Layer {
 public:
  explicit Combine(bool product) : product_(product) {}

  void check(const View& in, const View& second, const View& out) const override {
    require(in.columns == out.columns && in.rows == second.rows && in.rows == out.rows &&
                (second.columns == in.columns || second.columns == 1),
            "a product or sum of tensors that do not fit");
  }

  void run(const View& in, const View& second, const View& out, float*) const override {
    const std::size_t step = second.columns == 1 ? 0 : 1;
    for (std::size_t i = 0; i < in.rows; ++i) {
      const float *x = in.row(i), *y = second.row(i);
      float* z = out.row(i);
      if (product_)
        for (std::size_t j = 0; j < in.columns; ++j) z[j] = x[j] * y[j * step];
      else
        for (std::size_t j = 0; j < in.columns; ++j) z[j] = x[j] + y[j * step];
    }
  }

 private:
  bool product_;
};

// Concatenation of the columns of two tensors.
class Join : public Layer {
 public:
  void check(const View& in, const View& second, const View& out) const override {
    require(in.columns + second.columns == out.columns && in.rows == second.rows &&
                in.rows == out.rows,
            "a join of tensors that do not fit");
  }

  void run(const View& in, const View& second, const View& out, float*) const override {
    for (std::size_t i = 0; i < in.rows; ++i) {
      std::copy(in.row(i), in.row(i) + in.columns, out.row(i));
      std::copy(second.row(i), second.row(i) + second.columns, out.row(i) + in.columns);
    }
  }
};

// Columns from `first` on.
class Slice : public Layer {
 public:
  explicit Slice(const Json& json) : first_(json["first"].size()) {}

  void check(const View& in, const View&, const View& out) const override {
    require(first_ + out.columns <= in.columns && in.rows == out.rows,
            "columns taken beyond the last");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    for (std::size_t i = 0; i < in.rows; ++i)
      std::copy(in.row(i) + first_, in.row(i) + first_ + out.columns, out.row(i));
  }

 private:
  std::size_t first_;
};

// log p of fractions p clipped to [smallest, 1 − smallest], or log p/(1 − p).
class Logarithm : public Layer {
 public:
  explicit Logarithm(const Json& json)
      : smallest_(static_cast<float>(json["smallest"].number())), logit_(json["logit"].truth()) {}

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == out.columns && in.rows == out.rows, "a logarithm of another size");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    for (std::size_t i = 0; i < in.rows; ++i)
      for (std::size_t j = 0; j < in.columns; ++j) {
        const float p = std::min(std::max(in.row(i)[j], smallest_), 1.0f - smallest_);
        out.row(i)[j] = logit_ ? std::log(p / (1.0f - p)) : std::log(p);
      }
  }

 private:
  float smallest_;
  bool logit_;
};

// Scores of the outputs: softmax; the pair 1 − p, p of a logit; means and σ of log-variances.
class Scores : public Layer {
 public:
  explicit Scores(const std::string& kind) : kind_(kind) {}

  void check(const View& in, const View&, const View& out) const override {
    require(out.columns == (kind_ == "sigmoid_pair" ? 2 : in.columns) && in.rows == 1,
            "scores that do not fit");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    const float* x = in.data;
    float* y = out.data;
    const std::size_t n = in.columns, half = n / 2;
    if (kind_[1] == 'o') {  // softmax
      const float largest = *std::max_element(x, x + n);
      float total = 0;
      for (std::size_t j = 0; j < n; ++j) total += y[j] = std::exp(x[j] - largest);
      for (std::size_t j = 0; j < n; ++j) y[j] /= total;
    } else if (kind_[0] == 's') {  // sigmoid_pair
      y[0] = sigmoid(-x[0]);
      y[1] = sigmoid(x[0]);
    } else {  // gaussian
      for (std::size_t j = 0; j < half; ++j) y[j] = x[j];
      for (std::size_t j = half; j < n; ++j)
        y[j] = std::exp(0.5f * std::min(30.0f, std::max(-30.0f, x[j])));
    }
  }

 private:
  std::string kind_;
};

}  // namespace bunchtrain
