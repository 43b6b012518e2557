// Functions of rows of numbers that compilers vectorise: without branches, calls or tables.
#pragma once

#include <cstdint>
#include <cstring>

#include "matrix.h"

namespace bunchtrain {

// e^x to a relative error of 1e-7, for x of at most 88; 1e-38 below −87.
inline float exponential(float x) {
  const float shift = 12582912.0f;  // 1.5 · 2^23: the sum is rounded to an integer
  x = x > -87.0f ? x : -87.0f;
  const float shifted = x * 1.44269504f + shift, power = shifted - shift;
  const float rest = (x - power * 0.693359375f) + power * 2.12194440e-4f;  // within ± ln 2 / 2
  float p = 1.9875691500e-4f;  // Cephes, expf
  p = p * rest + 1.3981999507e-3f;
  p = p * rest + 8.3334519073e-3f;
  p = p * rest + 4.1665795894e-2f;
  p = p * rest + 1.6666665459e-1f;
  p = p * rest + 5.0000001201e-1f;
  p = p * rest * rest + rest + 1.0f;
  std::uint32_t bits, integer;
  std::memcpy(&bits, &p, sizeof bits);
  std::memcpy(&integer, &shifted, sizeof integer);
  bits += integer << 23;
  std::memcpy(&p, &bits, sizeof p);
  return p;
}

// erf x to an error of 4e-7: x P(x²) / Q(x²), the rational function of Eigen, ± 1 beyond 4.
inline float error_function(float x) {
  x = x > -4.0f ? x : -4.0f;
  x = x < 4.0f ? x : 4.0f;
  const float square = x * x;
  float p = -2.72614225801306e-10f;
  p = p * square + 2.77068142495902e-08f;
  p = p * square - 2.10102402082508e-06f;
  p = p * square - 5.69250639462346e-05f;
  p = p * square - 7.34990630326855e-04f;
  p = p * square - 2.95459980854025e-03f;
  p = p * square - 1.60960333262415e-02f;
  float q = -1.45660718464996e-05f;
  q = q * square - 2.13374055278905e-04f;
  q = q * square - 1.68282697438203e-03f;
  q = q * square - 7.37332916720468e-03f;
  q = q * square - 1.42647390514189e-02f;
  return x * p / q;
}

inline float sum_of(const Vector& vector) {
  float values[lanes], total = 0;
  store(values, vector);
  for (const float value : values) total += value;
  return total;
}

// Σ_i x_i
inline float sum_of(const float* x, std::size_t count) {
  Vector partial{};
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) partial += load(x + i);
  float total = sum_of(partial);
  for (; i < count; ++i) total += x[i];
  return total;
}

// Σ_i x_i y_i
inline float dot(const float* x, const float* y, std::size_t count) {
  Vector partial{};
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) partial += load(x + i) * load(y + i);
  float total = sum_of(partial);
  for (; i < count; ++i) total += x[i] * y[i];
  return total;
}

// The largest of `count` numbers, one at least.
inline float largest(const float* x, std::size_t count) {
  float most = x[0], each[lanes];
  std::size_t i = 0;
  if (count >= lanes) {
    std::copy(x, x + lanes, each);
    for (i = lanes; i + lanes <= count; i += lanes)
      for (std::size_t lane = 0; lane < lanes; ++lane)
        each[lane] = x[i + lane] > each[lane] ? x[i + lane] : each[lane];
    for (const float value : each) most = value > most ? value : most;
  }
  for (; i < count; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

// Replaces x_i by e^(x_i − max x) and returns their sum.
inline float exponentials(float* x, std::size_t count) {
  const float most = largest(x, count);
  for (std::size_t i = 0; i < count; ++i) x[i] = exponential(x[i] - most);
  return sum_of(x, count);
}

}  // namespace bunchtrain
