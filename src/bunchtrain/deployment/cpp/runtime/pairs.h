// Features of the pairs of an event's points, and dense layers on them.
#pragma once

#include "layers.h"

namespace bunchtrain {

// pT, rapidity, azimuth and m² of a momentum.
struct Polar {
  float pt, rapidity, azimuth, mass2;
};

// From (E, px, py, pz): y = ± ln((E + |pz|) / mT).
inline Polar polar(const float* momentum) {
  const double e = momentum[0], x = momentum[1], y = momentum[2], z = momentum[3];
  const double pt2 = x * x + y * y, mass2 = std::max(0.0, e * e - pt2 - z * z);
  const double transverse = std::max(1e-8, std::sqrt(pt2 + mass2));
  const double size = std::log(std::max(1e-8, e + std::abs(z)) / transverse);
  const double rapidity = z > 0 ? size : z < 0 ? -size : 0.0;
  return {static_cast<float>(std::sqrt(pt2)), static_cast<float>(rapidity),
          std::atan2(momentum[2], momentum[1]), static_cast<float>(mass2)};
}

// Writes ln kT, ln z, ln ΔR and ln m² of two points (arXiv:2202.03772), each at least ln 1e-8:
// kT = min(pT) ΔR, z = min(pT) / (pTₐ + pT_b), and m² as a sum of terms that are not negative.
inline void pair_features(const Polar& a, const Polar& b, float* features) {
  const float pi = 3.14159265358979324f, turn = 6.28318530717958648f, smallest = 1e-8f;
  const float least = std::min(a.pt, b.pt), delta_y = a.rapidity - b.rapidity;
  const float angle = a.azimuth - b.azimuth + pi;  // rounded as in PyTorch
  const float delta_phi = (angle >= turn ? angle - turn : angle < 0 ? angle + turn : angle) - pi;
  const float distance = std::sqrt(delta_y * delta_y + delta_phi * delta_phi);
  const float a2 = a.pt * a.pt, b2 = b.pt * b.pt, pts = a.pt * b.pt;
  const float masses = std::sqrt((a2 + a.mass2) * (b2 + b.mass2));
  const float excess = a.mass2 * b2 + b.mass2 * a2 + a.mass2 * b.mass2;
  const float wide = std::sinh(delta_y / 2), turned = std::sin(delta_phi / 2);
  const float opening = masses * wide * wide + pts * turned * turned;
  features[0] = least * distance;
  features[1] = least / std::max(a.pt + b.pt, smallest);
  features[2] = distance;
  features[3] = a.mass2 + b.mass2 + 2 * excess / std::max(masses + pts, smallest) + 4 * opening;
  for (int k = 0; k < 4; ++k) features[k] = std::log(std::max(features[k], smallest));
}

// For each pair of points and each head a number, from momenta (E, px, py, pz): dense layers with
// GELU between them on the features of the pair, once for (i, j) and (j, i).
class PairEmbedding : public Layer {
 public:
  explicit PairEmbedding(const Json& json) : gelu_("gelu") {
    std::size_t columns = 4;
    for (const Json& one : json["layers"].list()) {
      layers_.emplace_back(one["weights"].numbers(), one["bias"].numbers(), one["inputs"].size());
      require(layers_.back().inputs() == columns, "an embedding of pairs whose layers do not fit");
      columns = layers_.back().outputs();
      widest_ = std::max(widest_, padded(columns));
    }
    require(!layers_.empty() && columns > 0, "an embedding of pairs without layers");
  }

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == 4 && out.columns == in.rows &&
                out.rows == layers_.back().outputs() * in.rows,
            "an embedding of pairs that does not fit its tensors");
  }

  std::size_t scratch(std::size_t points) const override {
    return 4 * points + chunk * (4 + 2 * widest_);
  }

  void run(const View& in, const View&, const View& out, float* scratch) const override {
    float *points = scratch, *features = points + 4 * in.rows, *rows = features + 4 * chunk;
    for (std::size_t i = 0; i < in.rows; ++i) {
      const Polar found = polar(in.row(i));
      std::memcpy(points + 4 * i, &found, sizeof found);
    }
    const auto point = [points](std::size_t number) {
      Polar found;
      std::memcpy(&found, points + 4 * number, sizeof found);
      return found;
    };
    const std::size_t pairs = in.rows * (in.rows + 1) / 2;
    std::size_t i = 0, j = 0, to_i = 0, to_j = 0;  // i ≥ j
    for (std::size_t done = 0; done < pairs; done += chunk) {
      const std::size_t count = std::min(chunk, pairs - done);
      for (std::size_t k = 0; k < count; ++k, next(i, j))
        pair_features(point(i), point(j), features + 4 * k);
      const float* row = embed(features, count, rows);
      for (std::size_t k = 0; k < count; ++k, next(to_i, to_j), row += widest_)
        for (std::size_t head = 0; head < layers_.back().outputs(); ++head) {
          out.row(head * in.rows + to_i)[to_j] = row[head];
          out.row(head * in.rows + to_j)[to_i] = row[head];
        }
    }
  }

 private:
  static constexpr std::size_t chunk = 96;  // pairs computed together: their rows fit in the cache

  static void next(std::size_t& i, std::size_t& j) {
    if (++j > i) ++i, j = 0;
  }

  // Returns the rows of the last layer, `widest_` apart; `rows` has space for two layers.
  const float* embed(const float* features, std::size_t count, float* rows) const {
    float* other = rows + chunk * widest_;
    layers_.front().apply(features, 4, count, rows, widest_);
    for (std::size_t k = 1; k < layers_.size(); ++k, std::swap(rows, other)) {
      gelu_.apply(View{rows, count, layers_[k].inputs(), widest_});
      layers_[k].apply(rows, widest_, count, other, widest_);
    }
    return rows;
  }

  Activation gelu_;
  std::vector<Matrix> layers_;
  std::size_t widest_ = 0;
};

}  // namespace bunchtrain
