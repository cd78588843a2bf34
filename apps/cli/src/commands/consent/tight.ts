/** Below this hardly any program fits, with the block of its input and the one of its result, each rounded up on disk. */
const LEAST_STORAGE_GB = 0.001

/** What of the limits lets no work through at all, or hardly any: nobody else would say why nothing runs. */
export function tightLimits(limits: { storageGbMax: number; bandwidthMbpsMax: number }): readonly string[] {
  const { storageGbMax, bandwidthMbpsMax } = limits
  const notes: string[] = []
  if (storageGbMax < LEAST_STORAGE_GB) {
    const what =
      storageGbMax === 0
        ? 'No storage is allowed: nothing can run under these terms.'
        : `${storageGbMax} GB of storage is less than most programs and their results need: perhaps nothing can run under these terms.`
    notes.push(`${what} It is --storage-gb, 1 by default; 0.1 is enough for small work.`)
  }
  if (bandwidthMbpsMax === 0) {
    notes.push(
      'No network traffic is allowed: nothing can be fetched, so nothing can run under these terms. It is --bandwidth-mbps.',
    )
  }
  return notes
}
