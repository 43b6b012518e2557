// LSTM and GRU cells over the points of an event in their order; PyTorch's equations and gates.
#pragma once

#include "layers.h"

namespace bunchtrain {

// The states after each point, (points, directions · hidden); with `last` the final ones, one row.
class Recurrent : public Layer {
 public:
  explicit Recurrent(const Json& json)
      : lstm_(json["cell"].text() == "lstm"), last_(json["last"].truth()) {
    require(lstm_ || json["cell"].text() == "gru", "a recurrent cell that is neither lstm nor gru");
    for (const Json& one : json["directions"].list()) {
      const std::size_t inputs = one["inputs"].size(), hidden = one["hidden"].size();
      directions_.push_back({Matrix(one["input_weights"].numbers(), one["input_bias"].numbers(), inputs),
                             Matrix(one["state_weights"].numbers(), one["state_bias"].numbers(), hidden),
                             hidden});
      const std::size_t gates = (lstm_ ? 4 : 3) * hidden;
      require(directions_.back().input.outputs() == gates && directions_.back().state.outputs() == gates,
              "a recurrent cell whose weights do not fit its state");
    }
  }

  void check(const View& in, const View&, const View& out) const override {
    std::size_t columns = 0;
    require(directions_.size() == 1 || directions_.size() == 2, "a cell without a direction");
    for (const Direction& one : directions_) {
      columns += one.hidden;
      require(in.columns == one.input.inputs(), "a recurrent cell that does not fit its input");
    }
    require(out.columns == columns && out.rows == (last_ ? 1 : in.rows), "a recurrent cell that does not fit its output");
  }

  std::size_t scratch(std::size_t rows) const override {
    std::size_t gates = 0;
    for (const Direction& one : directions_) gates = std::max(gates, padded(one.input.outputs()));
    return (rows + 3) * gates;
  }

  void run(const View& in, const View&, const View& out, float* scratch) const override {
    std::size_t place = 0;
    for (std::size_t number = 0; number < directions_.size(); ++number) {
      const Direction& one = directions_[number];
      walk(one, number == 1, in, out, place, scratch);
      place += one.hidden;
    }
  }

 private:
  struct Direction {
    Matrix input, state;
    std::size_t hidden;
  };

  void walk(const Direction& one, bool backward, const View& in, const View& out,
            std::size_t place, float* scratch) const {
    const std::size_t n = one.hidden, gates = padded(one.input.outputs());
    float* from_input = scratch;                    // (points, gates)
    float* from_state = scratch + in.rows * gates;  // (gates)
    float *h = from_state + gates, *c = h + gates;  // (hidden) each
    one.input.apply(in.data, in.stride, in.rows, from_input, gates);
    std::fill(h, h + n, 0.0f);
    std::fill(c, c + n, 0.0f);
    for (std::size_t step = 0; step < in.rows; ++step) {
      const std::size_t row = backward ? in.rows - 1 - step : step;
      one.state.apply(h, gates, 1, from_state, gates);
      const float* x = from_input + row * gates;
      if (lstm_)
        lstm(x, from_state, h, c, n);
      else
        gru(x, from_state, h, n);
      if (!last_) std::copy(h, h + n, out.row(row) + place);
    }
    if (last_) std::copy(h, h + n, out.data + place);
  }

  // Gates i, f, g, o: c ← σ(f) c + σ(i) tanh(g), h ← σ(o) tanh(c).
  static void lstm(const float* x, const float* s, float* h, float* c, std::size_t n) {
    for (std::size_t j = 0; j < n; ++j) {
      const float input = sigmoid(x[j] + s[j]), forget = sigmoid(x[n + j] + s[n + j]);
      const float candidate = std::tanh(x[2 * n + j] + s[2 * n + j]);
      c[j] = forget * c[j] + input * candidate;
      h[j] = sigmoid(x[3 * n + j] + s[3 * n + j]) * std::tanh(c[j]);
    }
  }

  // Gates r, z, n: n = tanh(x_n + r s_n), h ← (1 − z) n + z h.
  static void gru(const float* x, const float* s, float* h, std::size_t n) {
    for (std::size_t j = 0; j < n; ++j) {
      const float reset = sigmoid(x[j] + s[j]), update = sigmoid(x[n + j] + s[n + j]);
      const float candidate = std::tanh(x[2 * n + j] + reset * s[2 * n + j]);
      h[j] = (1.0f - update) * candidate + update * h[j];
    }
  }

  bool lstm_, last_;
  std::vector<Direction> directions_;
};

}  // namespace bunchtrain
