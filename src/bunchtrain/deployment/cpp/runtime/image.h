// Convolution and max-pooling of images, stored as (row, column, channel) for contiguous sums.
#pragma once

#include "layers.h"

namespace bunchtrain {

struct Shape {
  std::size_t channels, rows, columns;
  explicit Shape(const Json& json)
      : channels(json.list().at(0).size()),
        rows(json.list().at(1).size()),
        columns(json.list().at(2).size()) {}
  std::size_t size() const { return channels * rows * columns; }
};

// From (channel, row, column), as images are given, to (row, column, channel), or back.
class Reorder : public Layer {
 public:
  explicit Reorder(const Json& json) : shape_(json["shape"]), back_(json["back"].truth()) {}

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == shape_.size() && out.columns == in.columns, "an image of another size");
    require(in.rows == 1 && out.rows == 1, "an image per point");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    const std::size_t pixels = shape_.rows * shape_.columns;
    for (std::size_t pixel = 0; pixel < pixels; ++pixel)
      for (std::size_t c = 0; c < shape_.channels; ++c) {
        const std::size_t first = c * pixels + pixel, last = pixel * shape_.channels + c;
        out.data[back_ ? first : last] = in.data[back_ ? last : first];
      }
  }

 private:
  Shape shape_;
  bool back_;
};

// y = activation(Σ W x + b) over a window, with zero padding.
class Convolution : public Layer {
 public:
  explicit Convolution(const Json& json)
      : from_(json["shape"]),
        to_(json["gives"]),
        kernel_rows_(json["kernel"].list().at(0).size()),
        kernel_columns_(json["kernel"].list().at(1).size()),
        top_(json["padding"].list().at(0).size()),
        left_(json["padding"].list().at(1).size()),
        stride_(json["stride"].size()),
        matrix_(json["weights"].numbers(), json["bias"].numbers(),
                kernel_rows_ * kernel_columns_ * from_.channels) {}

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == from_.size() && out.columns == to_.size() &&
                matrix_.outputs() == to_.channels,
            "a convolution that does not fit its images");
  }

  std::size_t scratch(std::size_t) const override {
    return to_.columns * (matrix_.inputs() + padded(matrix_.outputs()));
  }

  void run(const View& in, const View&, const View& out, float* windows) const override {
    const std::size_t filters = matrix_.outputs(), stride = padded(filters);
    float* sums = windows + to_.columns * matrix_.inputs();
    for (std::size_t y = 0; y < to_.rows; ++y) {
      for (std::size_t x = 0; x < to_.columns; ++x)
        gather(in.data, y, x, windows + x * matrix_.inputs());
      matrix_.apply(windows, matrix_.inputs(), to_.columns, sums, stride);
      for (std::size_t x = 0; x < to_.columns; ++x)
        std::copy(sums + x * stride, sums + x * stride + filters,
                  out.data + (y * to_.columns + x) * filters);
    }
  }

 private:
  // Copies the window of the pixel (y, x) of the output, kernel row by kernel row.
  void gather(const float* image, std::size_t y, std::size_t x, float* window) const {
    const std::size_t n = from_.channels;
    for (std::size_t a = 0; a < kernel_rows_; ++a)
      for (std::size_t b = 0; b < kernel_columns_; ++b, window += n) {
        const std::size_t row = y * stride_ + a - top_, column = x * stride_ + b - left_;
        if (row < from_.rows && column < from_.columns)  // below 0 they have wrapped round
          std::copy_n(image + (row * from_.columns + column) * n, n, window);
        else
          std::fill_n(window, n, 0.0f);
      }
  }

  Shape from_, to_;
  std::size_t kernel_rows_, kernel_columns_, top_, left_, stride_;
  Matrix matrix_;
};

// The largest of each `size` × `size` pixels.
class MaxPooling : public Layer {
 public:
  explicit MaxPooling(const Json& json) : from_(json["shape"]), size_(json["size"].size()) {
    require(size_ > 0, "a pooling of no pixels");
  }

  void check(const View& in, const View&, const View& out) const override {
    require(in.columns == from_.size() &&
                out.columns == (from_.rows / size_) * (from_.columns / size_) * from_.channels,
            "a pooling that does not fit its images");
  }

  void run(const View& in, const View&, const View& out, float*) const override {
    const std::size_t n = from_.channels, columns = from_.columns / size_;
    for (std::size_t y = 0; y < from_.rows / size_; ++y)
      for (std::size_t x = 0; x < columns; ++x) {
        float* largest = out.data + (y * columns + x) * n;
        std::copy_n(pixel(in, y * size_, x * size_), n, largest);
        for (std::size_t a = 0; a < size_; ++a)
          for (std::size_t b = 0; b < size_; ++b) {
            const float* other = pixel(in, y * size_ + a, x * size_ + b);
            for (std::size_t c = 0; c < n; ++c) largest[c] = std::max(largest[c], other[c]);
          }
      }
  }

 private:
  const float* pixel(const View& in, std::size_t row, std::size_t column) const {
    return in.data + (row * from_.columns + column) * from_.channels;
  }

  Shape from_;
  std::size_t size_;
};

}  // namespace bunchtrain
