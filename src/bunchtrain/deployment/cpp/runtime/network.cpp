#include "network.h"

#include <fstream>
#include <sstream>

#include "forest.h"
#include "image.h"
#include "layers.h"
#include "pairs.h"
#include "recurrent.h"
#include "transformer.h"

namespace bunchtrain {

namespace {

// (x + offset) / scale of an input's variables, after NaN, +∞ and −∞ were replaced.
class Normalise : public Layer {
 public:
  explicit Normalise(const Json& json) {
    for (const Json& one : json["variables"].list()) {
      const auto value = [&one](const char* key, double otherwise) {
        return static_cast<float>(one.has(key) ? one[key].number() : otherwise);
      };
      const float infinity = std::numeric_limits<float>::infinity();
      variables_.push_back({value("offset", 0), value("scale", 1),
                            value("nan", std::numeric_limits<double>::quiet_NaN()),
                            value("positive", infinity), value("negative", -infinity)});
    }
  }

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == variables_.size() && out.columns == in.columns, "an input of another size");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    for (std::size_t i = 0; i < in.rows; ++i)
      for (std::size_t j = 0; j < in.columns; ++j) {
        const Variable& v = variables_[j];
        float x = in.row(i)[j];
        if (!std::isfinite(x)) x = std::isnan(x) ? v.nan : x > 0 ? v.positive : v.negative;
        out.row(i)[j] = (x + v.offset) / v.scale;
      }
  }

 private:
  struct Variable {
    float offset, scale, nan, positive, negative;
  };
  std::vector<Variable> variables_;
};

std::unique_ptr<Layer> make(const Json& json) {
  const std::string& type = json["type"].text();
  if (type == "dense") return std::make_unique<Dense>(json);
  if (type == "affine") return std::make_unique<Affine>(json);
  if (type == "sum") return std::make_unique<Pool>(Pool::Kind::sum);
  if (type == "mean") return std::make_unique<Pool>(Pool::Kind::mean);
  if (type == "max") return std::make_unique<Pool>(Pool::Kind::max);
  if (type == "fractions") return std::make_unique<Fractions>();
  if (type == "product") return std::make_unique<Combine>(true);
  if (type == "add") return std::make_unique<Combine>(false);
  if (type == "join") return std::make_unique<Join>();
  if (type == "slice") return std::make_unique<Slice>(json);
  if (type == "softmax" || type == "sigmoid_pair" || type == "gaussian")
    return std::make_unique<Scores>(type);
  if (type == "logarithm") return std::make_unique<Logarithm>(json);
  if (type == "recurrent") return std::make_unique<Recurrent>(json);
  if (type == "forest") return std::make_unique<Forest>(json);
  if (type == "reorder") return std::make_unique<Reorder>(json);
  if (type == "convolution") return std::make_unique<Convolution>(json);
  if (type == "constant") return std::make_unique<Constant>(json);
  if (type == "layer_norm") return std::make_unique<LayerNorm>(json);
  if (type == "pair_embedding") return std::make_unique<PairEmbedding>(json);
  if (type == "attention") return std::make_unique<Attention>(json);
  if (type == "class_attention") return std::make_unique<ClassAttention>(json);
  if (type == "max_pooling") return std::make_unique<MaxPooling>(json);
  throw std::runtime_error("the network has a layer of the unknown type '" + type + "'");
}

}  // namespace

class Builder {
 public:
  static Network build(const Json& json) {
    require(json.has("format") && json["format"].text() == "bunchtrain-network" &&
                json["version"].size() == 1,
            "a format that this version cannot read");
    Network made;
    for (const Json& tensor : json["tensors"].list()) {
      const bool per_pair = tensor.has("per_pair") && tensor["per_pair"].truth();
      made.tensors_.push_back({tensor["name"].text(), tensor["per_point"].truth(), per_pair,
                               tensor["columns"].size()});
    }
    for (const Json& input : json["inputs"].list()) add_input(made, input);
    for (const Json& layer : json["layers"].list()) add_layer(made, layer);
    for (const Json& output : json["outputs"].list()) {
      made.outputs_.push_back({output["name"].text(), output["scores"].texts()});
      made.output_tensors_.push_back(made.number_of(output["tensor"].text()));
      require(made.tensors_[made.output_tensors_.back()].columns ==
                  made.outputs_.back().scores.size(),
              "an output with other names than numbers");
      const auto& tensor = made.tensors_[made.output_tensors_.back()];
      require(!tensor.per_point && !tensor.per_pair, "an output that is not one row for the event");
    }
    return made;
  }

  static View shape(const Network& network, std::size_t number, std::size_t points) {
    const auto& tensor = network.tensors_[number];
    if (tensor.per_pair) return {nullptr, tensor.columns * points, points, padded(points)};
    return {nullptr, tensor.per_point ? points : 1, tensor.columns, padded(tensor.columns)};
  }

 private:
  static void add_layer(Network& made, const Json& json) {
    const std::vector<std::string> from = json["in"].texts();
    const std::string& type = json["type"].text();
    auto layer = make(json);
    require(from.empty() == (type == "constant") && from.size() < 3,
            "a layer without inputs or with more than two");
    layer->out = made.number_of(json["out"].text());
    layer->in = from.empty() ? layer->out : made.number_of(from.front());
    layer->second = from.empty() ? layer->out : made.number_of(from.back());
    for (const std::size_t number : {layer->in, layer->second, layer->out})
      require(!made.tensors_[number].per_pair || type == "pair_embedding" || type == "attention",
              "a layer '" + type + "' of a tensor of pairs");
    for (const std::size_t points : {2, 3})  // of one number, points and columns could be equal
      layer->check(shape(made, layer->in, points), shape(made, layer->second, points),
                   shape(made, layer->out, points));
    made.layers_.push_back(std::move(layer));
  }

  static void add_input(Network& made, const Json& json) {
    Input input{json["name"].text(), json["per_point"].truth(), {}};
    for (const Json& one : json["variables"].list()) input.variables.push_back(one["name"].text());
    auto layer = std::make_unique<Normalise>(json);
    layer->in = layer->second = made.inputs_.size();
    layer->out = made.number_of(input.name);
    require(made.tensors_[layer->out].per_point == input.per_point, "an input of another shape");
    const View given{nullptr, 1, input.variables.size(), input.variables.size()};
    layer->check(given, given, shape(made, layer->out, 1));
    made.inputs_.push_back(std::move(input));
    made.layers_.push_back(std::move(layer));
  }
};

Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;

Network Network::from_text(const std::string& json) { return Builder::build(Json::parse(json)); }

Network Network::from_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("the network '" + path + "' cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return from_text(text.str());
}

std::size_t Network::number_of(const std::string& name) const {
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (tensors_[i].name == name) return i;
  throw std::runtime_error("the network has no tensor '" + name + "'");
}

Workspace Network::workspace(std::size_t max_points) const {
  Workspace space;
  space.max_points_ = max_points;
  space.outputs_ = output_tensors_;
  for (const Input& input : inputs_)
    space.inputs_.emplace_back((input.per_point ? max_points : 1) * input.variables.size());
  std::size_t scratch = 0;
  for (std::size_t number = 0; number < tensors_.size(); ++number) {
    const View shape = Builder::shape(*this, number, max_points);
    space.tensors_.emplace_back(shape.rows * shape.stride);
  }
  for (const auto& layer : layers_) scratch = std::max(scratch, layer->scratch(max_points));
  space.tensors_.emplace_back(scratch);
  return space;
}

void Network::run(Workspace& space, std::size_t points) const {
  if (points > space.max_points_) throw std::length_error("more points than the workspace holds");
  for (std::size_t number = 0; number < layers_.size(); ++number) {
    const Layer& layer = *layers_[number];
    View out = Builder::shape(*this, layer.out, points);
    out.data = space.tensors_[layer.out].data();
    if (number < inputs_.size()) {  // the first layers normalise the inputs
      const std::size_t columns = inputs_[number].variables.size();
      const View raw{space.inputs_[number].data(), out.rows, columns, columns};
      layer.run(raw, raw, out, nullptr);
      continue;
    }
    View in = Builder::shape(*this, layer.in, points);
    View second = Builder::shape(*this, layer.second, points);
    in.data = space.tensors_[layer.in].data();
    second.data = space.tensors_[layer.second].data();
    layer.run(in, second, out, space.tensors_.back().data());
  }
}

}  // namespace bunchtrain
