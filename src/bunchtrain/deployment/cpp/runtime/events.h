// Events in a file, for the programs that test and time a network.
//
// int64 number of events; where an input is per point, int64 points of each event; then, for each
// input in its order, float32 values of all events.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <stdexcept>

#include "network.h"

namespace bunchtrain {

class Events {
 public:
  Events(const std::string& path, const Network& network) {
    std::ifstream file(path, std::ios::binary);
    const std::size_t count = static_cast<std::size_t>(read<std::int64_t>(file, 1).at(0));
    points_.assign(count, 0);
    bool packed = false;
    for (const Input& input : network.inputs()) packed = packed || input.per_point;
    if (packed) points_ = read<std::int64_t>(file, count);
    std::size_t all = 0;
    for (const std::int64_t points : points_) {
      all += static_cast<std::size_t>(points);
      most_ = std::max(most_, static_cast<std::size_t>(points));
    }
    for (const Input& input : network.inputs())
      values_.push_back(read<float>(file, (input.per_point ? all : count) * input.variables.size()));
    starts_.push_back(0);
    for (const std::int64_t points : points_)
      starts_.push_back(starts_.back() + static_cast<std::size_t>(points));
  }

  std::size_t size() const { return points_.size(); }
  std::size_t max_points() const { return most_; }

  // Computes the scores of one event.
  void run(const Network& network, Workspace& space, std::size_t event) const {
    const std::size_t points = static_cast<std::size_t>(points_[event]);
    for (std::size_t number = 0; number < values_.size(); ++number) {
      const Input& input = network.inputs()[number];
      const std::size_t n = input.variables.size();
      const std::size_t first = input.per_point ? starts_[event] : event;
      const float* from = values_[number].data() + first * n;
      std::copy(from, from + (input.per_point ? points : 1) * n, space.input(number));
    }
    network.run(space, points);
  }

 private:
  template <class Number>
  static std::vector<Number> read(std::ifstream& file, std::size_t count) {
    std::vector<Number> values(count);
    file.read(reinterpret_cast<char*>(values.data()),
              static_cast<std::streamsize>(count * sizeof(Number)));
    if (!file) throw std::runtime_error("the file of events is shorter than its numbers say");
    return values;
  }

  std::vector<std::int64_t> points_;
  std::vector<std::vector<float>> values_;
  std::vector<std::size_t> starts_;
  std::size_t most_ = 0;
};

}  // namespace bunchtrain
