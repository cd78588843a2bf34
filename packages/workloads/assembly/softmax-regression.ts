/**
 * One shard of softmax regression (multinomial logistic regression): the sums over the shard's samples of the
 * gradient and of the Hessian of the loss −ln p(label), at the given weights. The requester adds the shards up in
 * order and takes Newton's step (C. M. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3).
 * A sample is extended by a constant 1, so a class has features + 1 weights.
 * Input: u32 features, u32 classes, u32 samples, the weights as f64 class by class, then for each sample its features
 * as f64 and its label as u32.
 * Output: u32 samples whose most probable class is their label, the gradient (n f64, n = classes · (features + 1)), the
 * lower triangle of the Hessian row by row (n (n + 1) / 2 f64).
 */
import { DONE, MORE, Reader, require, Writer } from './kit'
import { expOfNegative } from './lib/exp'

const SAMPLES_A_STEP = 16
const LARGEST_WEIGHTS: u32 = 256

let input: Reader | null = null
let width: i32 = 0
let classes: i32 = 0
let samplesLeft: u32 = 0
let correct: u32 = 0
let weights: StaticArray<f64> = new StaticArray<f64>(0)
let gradient: StaticArray<f64> = new StaticArray<f64>(0)
let hessian: StaticArray<f64> = new StaticArray<f64>(0)
let sample: StaticArray<f64> = new StaticArray<f64>(0)
let probabilities: StaticArray<f64> = new StaticArray<f64>(0)

export function step(): i32 {
  if (!input) start()
  for (let i = 0; i < SAMPLES_A_STEP && samplesLeft > 0; i++) {
    samplesLeft--
    addSample()
  }
  if (samplesLeft > 0) return MORE
  writeSums()
  return DONE
}

function start(): void {
  const reader = new Reader()
  const features = reader.u32()
  const labels = reader.u32()
  samplesLeft = reader.u32()
  require(features < LARGEST_WEIGHTS && labels >= 2 && labels <= LARGEST_WEIGHTS)
  require((features + 1) * labels <= LARGEST_WEIGHTS)
  width = features + 1
  classes = labels
  const n = width * classes
  weights = reader.f64Array(n)
  gradient = new StaticArray<f64>(n)
  hessian = new StaticArray<f64>((n * (n + 1)) / 2)
  sample = new StaticArray<f64>(width)
  probabilities = new StaticArray<f64>(classes)
  input = reader
}

function addSample(): void {
  const label = readSample()
  const likeliest = softmax()
  if (likeliest == label) correct++
  for (let c = 0; c < classes; c++) {
    const p = unchecked(probabilities[c])
    const error = p - (c == label ? 1 : 0)
    for (let i = 0; i < width; i++) {
      const xi = unchecked(sample[i])
      const row = c * width + i
      unchecked((gradient[row] += error * xi))
      addHessianRow(row, c, p, xi)
    }
  }
}

/** Row (c, i) of the Hessian, columns (d, j) up to the diagonal: p(c) (δ(c, d) − p(d)) x(i) x(j). */
function addHessianRow(row: i32, c: i32, p: f64, xi: f64): void {
  let at = (row * (row + 1)) / 2
  const end = at + row
  for (let d = 0; d <= c; d++) {
    const factor = p * ((d == c ? 1 : 0) - unchecked(probabilities[d])) * xi
    for (let j = 0; j < width && at <= end; j++, at++) unchecked((hessian[at] += factor * sample[j]))
  }
}

function readSample(): i32 {
  const reader = input!
  for (let i = 0; i < width - 1; i++) unchecked((sample[i] = reader.f64()))
  unchecked((sample[width - 1] = 1))
  const label = <i32>reader.u32()
  require(label >= 0 && label < classes)
  return label
}

/** Fills `probabilities`; returns the most probable class, the first of several. */
function softmax(): i32 {
  let likeliest = 0
  for (let c = 0; c < classes; c++) {
    let activation: f64 = 0
    for (let i = 0; i < width; i++) activation += unchecked(weights[c * width + i] * sample[i])
    unchecked((probabilities[c] = activation))
    if (activation > unchecked(probabilities[likeliest])) likeliest = c
  }
  // Nothing is above 0 once the largest is taken away, so nothing overflows.
  const largest = unchecked(probabilities[likeliest])
  let sum: f64 = 0
  for (let c = 0; c < classes; c++) {
    const p = expOfNegative(unchecked(probabilities[c]) - largest)
    unchecked((probabilities[c] = p))
    sum += p
  }
  for (let c = 0; c < classes; c++) unchecked((probabilities[c] /= sum))
  return likeliest
}

function writeSums(): void {
  const output = new Writer(4 + 8 * (gradient.length + hessian.length))
  output.u32(correct)
  for (let i = 0; i < gradient.length; i++) output.f64(gradient[i])
  for (let i = 0; i < hessian.length; i++) output.f64(hessian[i])
  output.flush()
}
