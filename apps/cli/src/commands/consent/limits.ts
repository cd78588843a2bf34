import type { Choices, ConsentView } from '@askee/client'

const UNITS = {
  cpuPercentMax: ['--cpu-percent', '%'],
  ramMbMax: ['--ram-mb', 'MiB'],
  storageGbMax: ['--storage-gb', 'GB'],
  bandwidthMbpsMax: ['--bandwidth-mbps', 'Mbit/s'],
  maxDurationHours: ['--task-hours', 'h'],
} as const

/** One line for each limit of a person's choice that lies above what the requester signed: a manifest can be narrowed only. */
export function beyondOffer(choices: Choices, offered: ConsentView['limits']): string[] {
  return (Object.keys(UNITS) as (keyof typeof UNITS)[]).flatMap((limit) => {
    const chosen = choices[limit]
    const most = offered[limit]
    const [option, unit] = UNITS[limit]
    return chosen === undefined || chosen <= most
      ? []
      : [`${option} ${chosen} is more than the manifest asks for; it stays at ${most} ${unit}`]
  })
}
