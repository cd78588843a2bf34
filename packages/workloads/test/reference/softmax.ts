import type { Sample } from '../../src/data/iris.ts'

export interface Sums {
  readonly correct: number
  readonly gradient: number[]
  /** Lower triangle, row by row. */
  readonly hessian: number[]
}

/** Gradient and Hessian of −ln p(label), summed over samples in order, in plain TypeScript. */
export function lossSums(
  samples: readonly Sample[],
  weights: readonly number[],
  classes: number,
  exp: (x: number) => number,
): Sums {
  const n = weights.length
  const width = n / classes
  const gradient = new Array<number>(n).fill(0)
  const hessian = new Array<number>((n * (n + 1)) / 2).fill(0)
  let correct = 0
  for (const { features, label } of samples) {
    const x = [...features, 1]
    const activations = Array.from({ length: classes }, (_, c) =>
      x.reduce((sum, value, i) => sum + weights[c * width + i]! * value, 0),
    )
    const largest = Math.max(...activations)
    if (activations.indexOf(largest) === label) correct++
    const raw = activations.map((activation) => exp(activation - largest))
    const total = raw.reduce((sum, value) => sum + value, 0)
    const p = raw.map((value) => value / total)
    let at = 0
    for (let row = 0; row < n; row++) {
      const [c, i] = [Math.floor(row / width), row % width]
      gradient[row]! += (p[c]! - (c === label ? 1 : 0)) * x[i]!
      for (let column = 0; column <= row; column++) {
        const [d, j] = [Math.floor(column / width), column % width]
        hessian[at++]! += p[c]! * ((d === c ? 1 : 0) - p[d]!) * x[i]! * x[j]!
      }
    }
  }
  return { correct, gradient, hessian }
}
