/** How a task can end other than by returning. The same on every engine; part of the voted result. */
export const TRAP_CODES = [
  'unreachable',
  'memory-out-of-bounds',
  'table-out-of-bounds',
  'indirect-call-mismatch',
  'divide-by-zero',
  'integer-overflow',
  'invalid-conversion',
  'stack-overflow',
  'out-of-fuel',
  'output-too-large',
] as const

export type TrapCode = (typeof TRAP_CODES)[number]

export function isTrapCode(text: unknown): text is TrapCode {
  return (TRAP_CODES as readonly unknown[]).includes(text)
}
