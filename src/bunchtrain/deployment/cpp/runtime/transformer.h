// Layer normalisation and attention among the points of an event.
#pragma once

#include "layers.h"

namespace bunchtrain {

// The same row for every event.
class Constant : public Layer {
 public:
  explicit Constant(const Json& json) : values_(json["values"].numbers()) {}

  void check(const View&, const View&, const View& out) const override {
    require(out.rows == 1 && out.columns == values_.size(), "a constant of another size");
  }

  void run(const View&, const View&, const View& out, float*) const override {
    std::copy(values_.begin(), values_.end(), out.data);
  }

 private:
  std::vector<float> values_;
};

// y = (x − μ) / √(σ² + ε) · scale + shift, with mean μ and variance σ² of the row.
class LayerNorm : public Layer {
 public:
  explicit LayerNorm(const Json& json)
      : scale_(json["scale"].numbers()),
        shift_(json["shift"].numbers()),
        epsilon_(static_cast<float>(json["epsilon"].number())) {}

  void check(const View& in, const View&, const View& out) const override {
    require(scale_.size() == in.columns && shift_.size() == in.columns && in.columns > 0 &&
                out.columns == in.columns && in.rows == out.rows,
            "a layer normalisation that does not fit its tensors");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    const std::size_t n = in.columns;
    for (std::size_t i = 0; i < in.rows; ++i) {
      const float *x = in.row(i), mean = sum_of(x, n) / static_cast<float>(n);
      float* y = out.row(i);
      for (std::size_t j = 0; j < n; ++j) y[j] = x[j] - mean;
      const float inverse = 1.0f / std::sqrt(dot(y, y, n) / static_cast<float>(n) + epsilon_);
      for (std::size_t j = 0; j < n; ++j) y[j] = y[j] * inverse * scale_[j] + shift_[j];
    }
  }

 private:
  std::vector<float> scale_, shift_;
  float epsilon_;
};

// softmax(q kᵀ / √d + U) v for each head, from rows (q, k, v) of the points and U of their pairs.
class Attention : public Layer {
 public:
  explicit Attention(const Json& json)
      : heads_(json["heads"].size()), channels_(json["channels"].size()) {
    require(heads_ > 0 && channels_ > 0, "an attention without heads or channels");
  }

  void check(const View& in, const View& bias, const View& out) const override {
    require(in.columns == 3 * heads_ * channels_ && out.columns == heads_ * channels_ &&
                in.rows == out.rows && bias.rows == heads_ * in.rows && bias.columns == in.rows,
            "an attention that does not fit its tensors");
  }

  std::size_t scratch(std::size_t points) const override {
    return padded(points) * (channels_ + points) + (2 * points + 1) * padded(channels_);
  }

  void run(const View& in, const View& bias, const View& out, float* scratch) const override {
    const std::size_t n = in.rows, d = channels_, width = heads_ * d;
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    float *keys = scratch, *weights = keys + padded(n) * d, *values = weights + padded(n) * n;
    float *seen = values + n * padded(d), *zeros = seen + n * padded(d);
    std::fill(zeros, zeros + padded(d), 0.0f);
    for (std::size_t first = 0; first < width; first += d) {
      const float *query = in.data + first, *start = bias.row(first / d * n);
      pack(query + width, 1, in.stride, d, n, scale, keys);
      pack(query + 2 * width, in.stride, 1, n, d, 1.0f, values);
      Product{query, in.stride, d, keys, start, bias.stride, weights, padded(n)}.run(n, n);
      for (std::size_t i = 0; i < n; ++i) {
        float* row = weights + i * padded(n);
        const float inverse = 1.0f / exponentials(row, n);
        for (std::size_t j = 0; j < n; ++j) row[j] *= inverse;
      }
      Product{weights, padded(n), n, values, zeros, 0, seen, padded(d)}.run(n, d);
      for (std::size_t i = 0; i < n; ++i)
        std::copy(seen + i * padded(d), seen + i * padded(d) + d, out.row(i) + first);
    }
  }

 private:
  std::size_t heads_, channels_;
};

// softmax(q kᵀ / √d) v for each head, with the query of the event's token, from its row (q, k, v),
// and keys and values of the token and of the points, rows (k, v).
class ClassAttention : public Layer {
 public:
  explicit ClassAttention(const Json& json)
      : heads_(json["heads"].size()), channels_(json["channels"].size()) {
    require(heads_ > 0 && channels_ > 0, "a class attention without heads or channels");
  }

  void check(const View& token, const View& points, const View& out) const override {
    const std::size_t width = heads_ * channels_;
    require(token.columns == 3 * width && points.columns == 2 * width && out.columns == width &&
                token.rows == 1 && out.rows == 1,
            "a class attention that does not fit its tensors");
  }

  std::size_t scratch(std::size_t points) const override { return points + 1; }

  void run(const View& token, const View& points, const View& out, float* weights) const override {
    const std::size_t n = points.rows, d = channels_, width = heads_ * d;
    const float scale = 1.0f / std::sqrt(static_cast<float>(d));
    for (std::size_t first = 0; first < width; first += d) {
      const float *query = token.data + first, *own = query + width;
      weights[n] = scale * dot(query, own, d);
      for (std::size_t j = 0; j < n; ++j) weights[j] = scale * dot(query, points.row(j) + first, d);
      const float inverse = 1.0f / exponentials(weights, n + 1);
      float* seen = out.data + first;
      for (std::size_t c = 0; c < d; ++c) seen[c] = weights[n] * inverse * own[width + c];
      for (std::size_t j = 0; j < n; ++j) {
        const float *value = points.row(j) + width + first, weight = weights[j] * inverse;
        for (std::size_t c = 0; c < d; ++c) seen[c] += weight * value[c];
      }
    }
  }

 private:
  std::size_t heads_, channels_;
};

}  // namespace bunchtrain
