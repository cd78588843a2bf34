/** What a warden can be in the middle of when somebody dies. */
import { FRAME_TYPES } from '../../packages/sandbox/src/frames.ts'
import { OUTER, outerFrame, type Warden } from '../escape/warden.ts'

export const PHASES = ['start', 'compile', 'run', 'freeze', 'checkpoint'] as const
export type Phase = (typeof PHASES)[number]

const SUSPEND = Buffer.from([0x41, 0x4b, 1, FRAME_TYPES.suspend, 0, 0, 0, 0])
const BUSY_MS = 5

/** Sends the task and resolves when the warden is in that phase; goes on there by itself. */
export async function play(warden: Warden, phase: Phase, stream: Uint8Array): Promise<void> {
  warden.sendTask(stream)
  if (phase === 'start') return
  while ((await warden.processorTime()) < BUSY_MS) await new Promise((resolve) => setTimeout(resolve, 2))
  if (phase === 'checkpoint') warden.sendTask(SUSPEND)
  if (phase === 'freeze') void freezeOverAndOver(warden)
}

async function freezeOverAndOver(warden: Warden): Promise<void> {
  while ((await warden.until(OUTER.frozen, OUTER.thawed, OUTER.report)) !== null) {
    warden.child.stdin?.write(Buffer.concat([outerFrame(OUTER.freeze), outerFrame(OUTER.thaw)]))
  }
}
