// Inference of a network that bunchtrain exported: no dependencies, C++17.
//
//   const bunchtrain::Network network = bunchtrain::Network::from_file("network.json");
//   bunchtrain::Workspace space = network.workspace(128);  // one a thread, at most 128 points
//   std::copy(values.begin(), values.end(), space.input(0));
//   network.run(space, points);
//   float top = space.output(0)[1];
//
// A Network is immutable and can be used by many threads, each with its own Workspace. `run` does
// not allocate and takes no lock.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace bunchtrain {

// An input: one row of `variables` for an event, or for each of its points.
struct Input {
  std::string name;
  bool per_point;
  std::vector<std::string> variables;
};

// An output: one value for each of `scores`.
struct Output {
  std::string name;
  std::vector<std::string> scores;
};

class Layer;
class Network;

// Memory of one thread for running a network.
class Workspace {
 public:
  // Returns the buffer of the raw values of an input: row by row, `variables` in their order.
  float* input(std::size_t number) { return inputs_[number].data(); }

  // Returns the scores of an output after `run`.
  const float* output(std::size_t number) const { return tensors_[outputs_[number]].data(); }

  std::size_t max_points() const { return max_points_; }

 private:
  friend class Network;
  Workspace() = default;
  std::vector<std::vector<float>> inputs_;
  std::vector<std::vector<float>> tensors_;
  std::vector<std::size_t> outputs_;
  std::size_t max_points_ = 0;
};

class Network {
 public:
  // Reads `network.json`; throws std::runtime_error if it is invalid.
  static Network from_file(const std::string& path);
  static Network from_text(const std::string& json);

  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  const std::vector<Input>& inputs() const { return inputs_; }
  const std::vector<Output>& outputs() const { return outputs_; }

  // Returns memory for events of at most `max_points` points.
  Workspace workspace(std::size_t max_points = 1) const;

  // Computes the outputs of the event in the workspace, which has `points` points. Throws
  // std::length_error if they are more than the workspace has memory for.
  void run(Workspace& space, std::size_t points = 0) const;

 private:
  Network() = default;
  // A tensor has a row of `columns` for the event or for each of its points, or `columns` numbers
  // for each pair of points.
  struct Tensor {
    std::string name;
    bool per_point, per_pair;
    std::size_t columns;
  };
  std::size_t number_of(const std::string& name) const;
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<Tensor> tensors_;
  std::vector<std::size_t> output_tensors_;
  std::vector<std::unique_ptr<Layer>> layers_;
  friend class Builder;
};

}  // namespace bunchtrain
