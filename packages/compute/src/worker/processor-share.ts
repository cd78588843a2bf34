/**
 * What one task may take of one processor under a consent (GOV-7). A consent speaks of all processors: while no more tasks
 * run at once than there are processors, that share of one processor each keeps all of them together within it; when more
 * run, each gets less.
 * @param cpuPercentMax of the consent, 1 to 100
 * @param slots tasks run at once
 * @param processors of this machine
 * @returns whole per cent, 1 to 100: the least that can be given is 1
 */
export function processorShare(cpuPercentMax: number, slots: number, processors: number): number {
  return Math.max(1, Math.floor(cpuPercentMax * Math.min(1, processors / slots)))
}
