import type { CgroupRun } from './measure.ts'

/** For people. */
export function formatMeasured({ kernel, results, notRun, seconds, isComplete }: CgroupRun): string {
  const rows = results.map(({ name, asked, measured, holds }) => [
    name,
    asked,
    measured,
    holds ? 'holds' : 'DOES NOT HOLD',
  ])
  const lines = [['controller', 'asked', 'measured', ''], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...lines.map((line) => line[column]!.length)))
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const untried = notRun.map((what) => `\nNot run here: ${what}.`).join('')
  const end = isComplete ? '' : '\nThe machine did not come to its end.'
  return `${text.join('\n')}\n\nLinux ${kernel} in qemu without KVM, one processor, ${seconds} s${untried}${end}`
}
