/**
 * Solves A x = b for a symmetric positive definite A, given by its lower triangle row by row, by Cholesky
 * decomposition (G. H. Golub, C. F. Van Loan, Matrix Computations, 4.2). Additions, multiplications, divisions and square
 * roots alone, in a fixed order: the same bits on every machine.
 * @returns undefined when A is not positive definite
 */
export function solvePositiveDefinite(
  lowerTriangle: Float64Array,
  b: Float64Array,
): Float64Array | undefined {
  const n = b.length
  const factor = lowerTriangle.slice()
  const at = (i: number, j: number) => (i * (i + 1)) / 2 + j
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = factor[at(i, j)]!
      for (let k = 0; k < j; k++) sum -= factor[at(i, k)]! * factor[at(j, k)]!
      if (i > j) factor[at(i, j)] = sum / factor[at(j, j)]!
      else if (sum > 0) factor[at(i, i)] = Math.sqrt(sum)
      else return undefined
    }
  }
  const x = b.slice()
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= factor[at(i, k)]! * x[k]!
    x[i]! /= factor[at(i, i)]!
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= factor[at(k, i)]! * x[k]!
    x[i]! /= factor[at(i, i)]!
  }
  return x
}
