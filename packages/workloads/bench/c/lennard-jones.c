/* assembly/lennard-jones.ts in C. */
#include "task.h"

static double box;
static double cutoff_squared;

static inline double minimum_image(double distance) { return distance - box * floor(distance / box + 0.5); }

static double row_energy(const double *positions, size_t particles, size_t i) {
  double x = positions[3 * i];
  double y = positions[3 * i + 1];
  double z = positions[3 * i + 2];
  double energy = 0;
  for (size_t at = 3 * (i + 1), end = 3 * particles; at < end; at += 3) {
    double dx = minimum_image(x - positions[at]);
    double dy = minimum_image(y - positions[at + 1]);
    double dz = minimum_image(z - positions[at + 2]);
    double distance_squared = dx * dx + dy * dy + dz * dz;
    if (distance_squared >= cutoff_squared) continue;
    double inverse = 1 / distance_squared;
    double attraction = inverse * inverse * inverse;
    energy += 4 * (attraction * attraction - attraction);
  }
  return energy;
}

int main(void) {
  read_input();
  uint32_t particles = take_u32();
  uint32_t row = take_u32();
  uint32_t end = take_u32();
  require(row <= end && end <= particles && particles <= 50000);
  box = take_f64();
  double cutoff = take_f64();
  require(box > 0 && cutoff > 0 && cutoff <= box / 2);
  cutoff_squared = cutoff * cutoff;
  const double *positions = take_f64s(3 * (size_t)particles);
  for (; row < end; row++) {
    double energy = row_energy(positions, particles, row);
    fwrite(&energy, sizeof energy, 1, stdout);
  }
  return finish();
}
