// Decision trees: f(x) = b + Σ_t leaf_t(x).
#pragma once

#include "layers.h"

namespace bunchtrain {

class Forest : public Layer {
 public:
  explicit Forest(const Json& json) : base_(json["base"].numbers()) {
    for (const Json& tree : json["trees"].list()) plant(tree);
  }

  void check(const View& in, const View&, const View& out) const override {
    require(out.columns == base_.size() && in.rows == out.rows, "trees that do not fit their output");
    for (const Node& node : nodes_) require(node.feature < in.columns, "a cut on an unknown feature");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    for (std::size_t i = 0; i < in.rows; ++i) {
      float* y = out.row(i);
      std::fill(y, y + base_.size(), 0.0f);
      for (const std::size_t root : roots_) {
        const float* leaf = values_.data() + walk(root, in.row(i)) * base_.size();
        for (std::size_t j = 0; j < base_.size(); ++j) y[j] += leaf[j];
      }
      for (std::size_t j = 0; j < base_.size(); ++j) y[j] += base_[j];
    }
  }

 private:
  // An event with x ≤ threshold, or without x (NaN) where `missing_left`, goes left.
  struct Node {
    float threshold;
    std::size_t feature, left, right;  // of a leaf, `left` is its own index
    bool missing_left;
  };

  void plant(const Json& tree) {
    const std::size_t root = nodes_.size(), count = tree["left"].list().size();
    for (const char* key : {"right", "feature", "threshold", "missing_left", "value"})
      require(tree[key].list().size() == count, "a tree whose lists are of different lengths");
    roots_.push_back(root);
    for (std::size_t i = 0; i < count; ++i) {
      const double left = tree["left"].list()[i].number();
      const bool leaf = left < 0;
      const std::size_t l = leaf ? i : tree["left"].list()[i].size();
      const std::size_t r = leaf ? i : tree["right"].list()[i].size();
      require(leaf || (l > i && r > i && l < count && r < count), "a tree whose children precede it");
      const std::size_t feature = leaf ? 0 : tree["feature"].list()[i].size();
      nodes_.push_back({static_cast<float>(tree["threshold"].list()[i].number()), feature, root + l,
                        root + r, tree["missing_left"].list()[i].truth()});
      const std::vector<float> value = tree["value"].list()[i].numbers();
      require(value.size() == base_.size(), "a leaf that does not fit the outputs");
      values_.insert(values_.end(), value.begin(), value.end());
    }
  }

  std::size_t walk(std::size_t at, const float* x) const {
    while (nodes_[at].left != at) {
      const Node& node = nodes_[at];
      const float value = x[node.feature];
      const bool left = value <= node.threshold || (node.missing_left && std::isnan(value));
      at = left ? node.left : node.right;
    }
    return at;
  }

  std::vector<float> base_, values_;
  std::vector<std::size_t> roots_;
  std::vector<Node> nodes_;
};

}  // namespace bunchtrain
