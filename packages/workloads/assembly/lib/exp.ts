const LOG2_E: f64 = 1.4426950408889634
/** ln 2 in two parts; the first has 21 trailing zero bits, so that its product with a small integer is exact. */
const LN2_HIGH: f64 = 0.6931471803691238
const LN2_LOW: f64 = 1.9082149292705877e-10
/** Below this e^x is smaller than every normal double. */
const SMALLEST: f64 = -708

/** 1 / k! for k from 13 down to 0. */
const COEFFICIENTS: StaticArray<f64> = [
  1.6059043836821613e-10, 2.08767569878681e-9, 2.505210838544172e-8, 2.755731922398589e-7, 0.0000027557319223985893,
  0.0000248015873015873, 0.0001984126984126984, 0.001388888888888889, 0.008333333333333333, 0.041666666666666664,
  0.16666666666666666, 0.5, 1, 1,
]

/**
 * e^x for x ≤ 0, relative error below 4e-16; 0 below −708. Written out in additions and multiplications in a stated order
 * so that any language gives the same bits, which no library promises for its own exp.
 * Reduction to |r| ≤ ln 2 / 2 and Taylor series: W. J. Cody, W. Waite, Software Manual for the Elementary Functions, 1980.
 */
export function expOfNegative(x: f64): f64 {
  if (x < SMALLEST) return 0
  const k = Math.floor(x * LOG2_E + 0.5)
  const r = x - k * LN2_HIGH - k * LN2_LOW
  let sum = unchecked(COEFFICIENTS[0])
  for (let i = 1; i < 14; i++) sum = sum * r + unchecked(COEFFICIENTS[i])
  return sum * reinterpret<f64>((<i64>k + 1023) << 52)
}
