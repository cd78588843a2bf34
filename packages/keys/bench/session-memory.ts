/**
 * What a session holds, idle and where its peer holds back all it can: `node --expose-gc packages/keys/bench/session-memory.ts`.
 * The second is what README.md states as the worst case.
 */
import { systemClock, systemRandom } from '@askee/core'
import { rootOf, signCheckpoint } from '../src/sessions/checkpoint.ts'
import { sealLayers } from '../src/sessions/cipher.ts'
import { encodeContent, type FrameContent } from '../src/sessions/content.ts'
import { encodeFrameHeader, FRAME_KINDS, joinFrame, parseFrame } from '../src/sessions/frame.ts'
import type { Session } from '../src/sessions/session.ts'
import { type SessionPair, sessionPair } from '../test/support/session-pair.ts'

const SESSIONS = 200
const WINDOW = 1024
/** Vouched for before they come. */
const PROMISED = 256
/** Waiting for a checkpoint in each direction. */
const UNCOVERED = 511
const TYPE = 'bench/1'

function pair(): SessionPair {
  return sessionPair(systemClock, { window: WINDOW })
}

/** Bob's side of a session in which Alice says as much as he takes, signs none of it, and takes no checkpoint of his. */
function filled(): Session {
  const { a, b, alice, bob, keys } = pair()
  const { sid, conv, handshake } = a.context
  const say = (seq: number, checkpoint?: FrameContent['checkpoint']): void => {
    const content = encodeContent({ typ: TYPE, checkpoint, body: new Uint8Array(1) })
    const header = encodeFrameHeader(
      {
        kind: FRAME_KINDS.request,
        direction: 0,
        checkpoint: checkpoint !== undefined,
        sid,
        seq,
        re: 0,
        ts: systemClock.now(),
        life: 300_000,
        acked: 0,
      },
      content.byteLength + 16,
    )
    const frame = parseFrame(joinFrame(header, sealLayers(keys[0], seq, header, content)))
    b.accept(frame, b.decrypt(frame), { typ: TYPE, kinds: [FRAME_KINDS.request] })
  }
  const leaves = systemRandom.bytes(32 * PROMISED)
  const document = signCheckpoint(alice, {
    sid,
    conv,
    to: bob.id,
    direction: 0,
    handshake,
    first: 1,
    last: PROMISED,
    root: rootOf(leaves),
    at: systemClock.now(),
  })
  say(WINDOW + 1, { document, leaves })
  for (let i = 1; i <= UNCOVERED; i++) {
    say(PROMISED + i)
    b.seal(FRAME_KINDS.answer, TYPE, new Uint8Array(1), PROMISED + i)
  }
  return b
}

function inUse(): number {
  const { gc } = globalThis
  if (gc === undefined) throw new Error('run it with --expose-gc')
  gc()
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** KiB for each session. */
function measured(make: () => Session): number {
  make()
  const before = inUse()
  const kept = Array.from({ length: SESSIONS }, make)
  return (inUse() - before) / kept.length / 1024
}

const [idle, full] = [measured(() => pair().b), measured(filled)]
process.stdout.write(`a session, idle: ${idle.toFixed(1)} KiB; filled: ${full.toFixed(1)} KiB\n`)
