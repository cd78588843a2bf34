/* assembly/softmax-regression.ts and lib/exp.ts in C: the same additions and multiplications in the same order. */
#include "task.h"

#define LARGEST_WEIGHTS 256

static int width;
static int classes;
static const double *weights;
static double *gradient;
static double *hessian;
static double *sample;
static double *probabilities;

static const double COEFFICIENTS[14] = {
    1.6059043836821613e-10, 2.08767569878681e-9,   2.505210838544172e-8,  2.755731922398589e-7, 0.0000027557319223985893,
    0.0000248015873015873,  0.0001984126984126984, 0.001388888888888889, 0.008333333333333333, 0.041666666666666664,
    0.16666666666666666,    0.5,                   1,                    1,
};

static double exp_of_negative(double x) {
  if (x < -708) return 0;
  double k = floor(x * 1.4426950408889634 + 0.5);
  double r = x - k * 0.6931471803691238 - k * 1.9082149292705877e-10;
  double sum = COEFFICIENTS[0];
  for (int i = 1; i < 14; i++) sum = sum * r + COEFFICIENTS[i];
  uint64_t bits = (uint64_t)((int64_t)k + 1023) << 52;
  double power;
  memcpy(&power, &bits, sizeof power);
  return sum * power;
}

static int read_sample(void) {
  for (int i = 0; i < width - 1; i++) sample[i] = take_f64();
  sample[width - 1] = 1;
  int label = (int)take_u32();
  require(label >= 0 && label < classes);
  return label;
}

static int softmax(void) {
  int likeliest = 0;
  for (int c = 0; c < classes; c++) {
    double activation = 0;
    for (int i = 0; i < width; i++) activation += weights[c * width + i] * sample[i];
    probabilities[c] = activation;
    if (activation > probabilities[likeliest]) likeliest = c;
  }
  double largest = probabilities[likeliest];
  double sum = 0;
  for (int c = 0; c < classes; c++) {
    double p = exp_of_negative(probabilities[c] - largest);
    probabilities[c] = p;
    sum += p;
  }
  for (int c = 0; c < classes; c++) probabilities[c] /= sum;
  return likeliest;
}

static void add_hessian_row(int row, int c, double p, double xi) {
  int at = row * (row + 1) / 2;
  int end = at + row;
  for (int d = 0; d <= c; d++) {
    double factor = p * ((d == c ? 1 : 0) - probabilities[d]) * xi;
    for (int j = 0; j < width && at <= end; j++, at++) hessian[at] += factor * sample[j];
  }
}

static int add_sample(void) {
  int label = read_sample();
  int likeliest = softmax();
  for (int c = 0; c < classes; c++) {
    double p = probabilities[c];
    double error = p - (c == label ? 1 : 0);
    for (int i = 0; i < width; i++) {
      double xi = sample[i];
      int row = c * width + i;
      gradient[row] += error * xi;
      add_hessian_row(row, c, p, xi);
    }
  }
  return likeliest == label;
}

int main(void) {
  read_input();
  uint32_t features = take_u32();
  uint32_t labels = take_u32();
  uint32_t samples = take_u32();
  require(features < LARGEST_WEIGHTS && labels >= 2 && labels <= LARGEST_WEIGHTS);
  require((features + 1) * labels <= LARGEST_WEIGHTS);
  width = (int)features + 1;
  classes = (int)labels;
  size_t n = (size_t)width * (size_t)classes;
  weights = take_f64s(n);
  gradient = allocate(n * sizeof(double));
  hessian = allocate(n * (n + 1) / 2 * sizeof(double));
  sample = allocate((size_t)width * sizeof(double));
  probabilities = allocate((size_t)classes * sizeof(double));
  uint32_t correct = 0;
  for (; samples > 0; samples--) correct += (uint32_t)add_sample();
  fwrite(&correct, sizeof correct, 1, stdout);
  fwrite(gradient, sizeof(double), n, stdout);
  fwrite(hessian, sizeof(double), n * (n + 1) / 2, stdout);
  return finish();
}
