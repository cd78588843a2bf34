import { execFileSync } from 'node:child_process'

/** The twenty amino acids in the order of the matrix. */
export const RESIDUES = 'ARNDCQEGHILKMFPSTWYV'

/** BLOSUM62, lower triangle, from the file EBLOSUM62 of EMBOSS 6.6.0. */
const BLOSUM62 = `
  4
  -1 5
  -2 0 6
  -2 -2 1 6
  0 -3 -3 -3 9
  -1 1 0 0 -3 5
  -1 0 0 2 -4 2 5
  0 -2 0 -1 -3 -2 -2 6
  -2 0 1 -1 -3 0 0 -2 8
  -1 -3 -3 -3 -1 -3 -3 -4 -3 4
  -1 -2 -3 -4 -1 -2 -3 -4 -3 2 4
  -1 2 0 -1 -3 1 1 -2 -1 -3 -2 5
  -1 -1 -2 -3 -1 0 -2 -3 -2 1 2 -1 5
  -2 -3 -3 -3 -2 -3 -3 -3 -1 0 0 -3 0 6
  -1 -2 -2 -1 -3 -1 -1 -2 -2 -3 -3 -1 -2 -4 7
  1 -1 1 0 -1 0 0 0 -1 -2 -2 0 -1 -2 -1 4
  0 -1 0 -1 -1 -1 -1 -2 -2 -1 -1 -1 -1 -2 -1 1 5
  -3 -3 -4 -4 -2 -2 -3 -2 -2 -3 -2 -3 -1 1 -4 -3 -2 11
  -2 -2 -2 -3 -2 -1 -2 -3 2 -1 -1 -2 -1 3 -3 -2 -2 2 7
  0 -3 -3 -3 -1 -2 -2 -3 -3 3 1 -2 1 -1 -2 -2 0 -3 -1 4
`
  .trim()
  .split('\n')
  .map((row) => row.trim().split(' ').map(Number))

function substitution(a: string, b: string): number {
  const [low, high] = [RESIDUES.indexOf(a), RESIDUES.indexOf(b)].sort((x, y) => x - y) as [number, number]
  return BLOSUM62[high]![low]!
}

/**
 * Smith and Waterman's recurrence of 1981 as it stands in the paper: each cell looks at gaps of every length. Cubic, and so
 * unlike Gotoh's that a mistake in the one is not one in the other.
 */
export function localScore(a: string, b: string): number {
  const gap = (length: number) => 10 + 0.5 * (length - 1)
  const best = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0))
  let highest = 0
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      let score = Math.max(0, best[i - 1]![j - 1]! + substitution(a[i - 1]!, b[j - 1]!))
      for (let k = 1; k <= i; k++) score = Math.max(score, best[i - k]![j]! - gap(k))
      for (let k = 1; k <= j; k++) score = Math.max(score, best[i]![j - k]! - gap(k))
      best[i]![j] = score
      highest = Math.max(highest, score)
    }
  }
  return highest
}

/** Why EMBOSS cannot be asked, or undefined when it can. */
export function waterMissing(): string | undefined {
  try {
    execFileSync('water', ['-version', '-auto'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'water of EMBOSS is not installed (Debian: apt-get install emboss)'
  }
}

/** The score that EMBOSS `water` prints for two proteins. */
export function waterScore(a: string, b: string): string {
  const options = ['-gapopen', '10', '-gapextend', '0.5', '-datafile', 'EBLOSUM62', '-stdout', '-auto']
  const report = execFileSync('water', [`asis::${a}`, `asis::${b}`, '-sprotein1', '-sprotein2', ...options], {
    encoding: 'utf8',
  })
  const score = /^# Score: (\d+\.\d)$/m.exec(report)?.[1]
  if (score === undefined) throw new Error(`expected a score from water, received:\n${report}`)
  return score
}
