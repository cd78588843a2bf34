import { systemClock, systemRandom } from '@askee/core'
import { createIdentity, verifySignature } from '../src/index.ts'
import { FRAME_KINDS, parseFrame } from '../src/sessions/frame.ts'
import { sessionPair } from '../test/support/session-pair.ts'

/** How fast the messages of a session are verified, opened and accounted for. */
export interface SessionFigures {
  /** A second of processor time; the median of interleaved rounds. */
  readonly opened: number
  /** Milliseconds from bytes to body that one message in a hundred exceeds. */
  readonly p99: number
  /** A bare Ed25519 verification of the same bytes. */
  readonly rawVerified: number
  readonly rawP99: number
  /** Milliseconds of 100 verifications at once: what a signature on everything in a batch would cost. */
  readonly hundredP99: number
}

const BODY_BYTES = 1024
const ROUNDS = 9
const TYPE = 'bench/1'
const QUESTION = { typ: TYPE, kinds: [FRAME_KINDS.request] }
const ANSWER = { typ: TYPE, kinds: [FRAME_KINDS.answer] }

/** @param messages in each round */
export function measureSessions(messages = 2000): SessionFigures {
  const { a, b, alice } = sessionPair(systemClock, { window: 1024 })
  const body = systemRandom.bytes(BODY_BYTES)
  const signature = alice.sign(body)
  const other = createIdentity(systemRandom)
  if (
    !verifySignature(alice.publicKey, body, signature) ||
    verifySignature(other.publicKey, body, signature)
  ) {
    throw new Error('the reference verifies nothing')
  }
  const open = (bytes: Uint8Array): number => {
    const frame = parseFrame(bytes)
    return b.accept(frame, b.decrypt(frame), QUESTION).seq
  }
  const rounds: { opened: Sample; raw: Sample; hundred: Sample }[] = []
  // The first round warms up and does not count.
  for (let round = 0; round <= ROUNDS; round++) {
    const frames: Uint8Array[] = []
    const opened = sample(messages, 100, {
      // In hundreds, so that the other side can take its checkpoints in between.
      prepare: () => {
        for (let i = 0; i < 100; i++) frames[i] = a.seal(FRAME_KINDS.request, TYPE, body).bytes
      },
      one: (i) => {
        const seq = open(frames[i % 100] as Uint8Array)
        if (i % 100 !== 99) return
        const answer = parseFrame(b.seal(FRAME_KINDS.answer, TYPE, body, seq).bytes)
        a.accept(answer, a.decrypt(answer), ANSWER)
      },
    })
    const verify = (): void => void verifySignature(alice.publicKey, body, signature)
    const raw = sample(messages / 10, 100, { one: verify })
    const hundred = sample(20, 20, {
      one: () => {
        for (let i = 0; i < 100; i++) verify()
      },
    })
    if (round > 0) rounds.push({ opened, raw, hundred })
  }
  const median = (of: (round: (typeof rounds)[number]) => number): number =>
    rounds.map(of).sort((x, y) => x - y)[rounds.length >> 1] as number
  return {
    opened: median(({ opened }) => opened.perSecond),
    p99: median(({ opened }) => opened.p99),
    rawVerified: median(({ raw }) => raw.perSecond),
    rawP99: median(({ raw }) => raw.p99),
    hundredP99: median(({ hundred }) => hundred.p99),
  }
}

interface Sample {
  /** Of processor time. */
  readonly perSecond: number
  readonly p99: number
}

function sample(
  count: number,
  batch: number,
  work: { prepare?: () => void; one: (index: number) => void },
): Sample {
  const times: number[] = []
  let spent = 0
  for (let done = 0; done < count; done += batch) {
    work.prepare?.()
    const begun = process.cpuUsage()
    for (let i = 0; i < batch; i++) {
      const at = performance.now()
      work.one(i)
      times.push(performance.now() - at)
    }
    const { user, system } = process.cpuUsage(begun)
    spent += user + system
  }
  times.sort((x, y) => x - y)
  return {
    perSecond: (times.length * 1_000_000) / spent,
    p99: times[Math.floor(times.length * 0.99)] as number,
  }
}
