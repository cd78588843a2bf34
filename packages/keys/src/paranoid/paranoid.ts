import { AskeeError, type AuditSink, type Clock, decode, encode } from '@askee/core'
import { z } from 'zod'
import type { KeyRing } from '../hierarchy/key-ring.ts'
import type { KeyStore } from '../key-store/index.ts'
import { ERROR_TYPE } from '../sealing/error-reply.ts'
import type { Freshness, OpenedMessage, Opener } from '../sealing/opener.ts'
import type { Layers, Message, Sealer } from '../sealing/sealer.ts'
import { verifyAlert } from './alert.ts'
import {
  isCritical,
  NORMAL,
  type ParanoidEffect,
  type ParanoidEvent,
  type ParanoidRules,
  type ParanoidState,
  stepParanoid,
} from './machine.ts'

const STATE_NAME = 'paranoid-mode'
const MAX_STATE_BYTES = 256
const stateSchema = z.strictObject({
  mode: z.enum(['normal', 'paranoid']),
  since: z.number().int(),
  sequence: z.number().int(),
  rotation: z.enum(['due', 'done']),
})

export interface ConversationComponents {
  readonly sealer: Sealer
  readonly opener: Opener
  readonly keyRing: Pick<KeyRing, 'emergency'>
  /** Keeps the mode over a restart, wrapped like every secret. */
  readonly store: KeyStore
  readonly clock: Clock
  readonly audit?: AuditSink
  /** Told when conversations that are not critical stop, and when they go on. */
  readonly onFreeze?: (state: 'frozen' | 'thawed') => void
}

/** The door for messages: one layer in normal mode; in paranoid mode two, and critical conversations only. */
export interface Conversations {
  readonly mode: () => ParanoidState['mode']
  /** The sequence for an alert that is signed now: the time, or above the last one's where the clock was set back. */
  readonly nextAlert: () => number
  /**
   * @param atLeast layers that the recipient wants, whatever the mode here
   * @throws AskeeError `paranoid/frozen`, and what `Sealer.seal` throws
   */
  seal(message: Message, atLeast?: Layers): Promise<Uint8Array>
  /** @throws AskeeError `paranoid/frozen`, `paranoid/single-layer`, and what `Opener.open` throws */
  open(received: Uint8Array, freshness?: Freshness): Promise<OpenedMessage>
  /**
   * Takes a signed alert. Entering voids every key of before and makes new ones.
   * @throws AskeeError with an AlertRefusal, `codec/*` or `signature/*`
   */
  alert(bytes: Uint8Array): Promise<void>
}

/** Opens the door in the mode that it was left in; what a crash interrupted is done now. */
export async function openConversations(
  components: ConversationComponents,
  rules: ParanoidRules,
): Promise<Conversations> {
  const { sealer, opener, keyRing, store, clock, audit, onFreeze } = components
  const kept = await store.read(STATE_NAME)
  let state: ParanoidState = kept === undefined ? NORMAL : decode(kept, stateSchema, MAX_STATE_BYTES)
  let lane: Promise<void> = Promise.resolve()

  const carryOut = async (effect: ParanoidEffect): Promise<void> => {
    switch (effect.type) {
      case 'refused':
        throw new AskeeError(effect.code, 'the alert is refused; nothing changed')
      case 'freeze':
        return onFreeze?.('frozen')
      case 'thaw':
        return onFreeze?.('thawed')
      case 'rotate-emergency':
        await keyRing.emergency('paranoid')
        return step({ type: 'rotated' })
    }
  }
  const step = async (event: ParanoidEvent): Promise<void> => {
    const next = stepParanoid(state, event, rules)
    if (next.state !== state) {
      // On disk first: a crash may not bring back the mode of before.
      await store.replace(STATE_NAME, encode(next.state))
      const changed = next.state.mode !== state.mode
      state = next.state
      if (changed) await writeDown(state)
    }
    for (const effect of next.effects) await carryOut(effect)
  }
  const writeDown = async ({ mode, sequence }: ParanoidState): Promise<void> => {
    const action = mode === 'paranoid' ? 'paranoid.entered' : 'paranoid.left'
    await audit?.append({ action, subject: 'system', outcome: 'done', content: { sequence } })
  }
  const assertGoesOn = (conv: string): void => {
    if (state.mode === 'normal' || isCritical(conv, rules)) return
    throw new AskeeError('paranoid/frozen', `${conv} is frozen while this node is in paranoid mode`)
  }

  await step({ type: 'loaded' })
  return {
    mode: () => state.mode,
    nextAlert: () => Math.max(state.sequence + 1, clock.now()),
    async seal(message, atLeast = 'single') {
      assertGoesOn(message.conv)
      return sealer.seal(message, state.mode === 'paranoid' ? 'double' : atLeast)
    },
    async open(received, freshness = 'by-clock') {
      const opened = await opener.open(received, freshness)
      const { from, mid, conv, typ, layers } = opened
      try {
        assertGoesOn(conv)
        // That a message was refused may come in one layer: the second may be what failed.
        if (state.mode === 'paranoid' && layers === 'single' && typ !== ERROR_TYPE) {
          throw new AskeeError('paranoid/single-layer', 'this node takes messages of two layers only')
        }
      } catch (error) {
        if (!(error instanceof AskeeError)) throw error
        throw new AskeeError(
          error.code,
          error.message,
          { sender: { from, mid, conv, typ } },
          { cause: error },
        )
      }
      return opened
    },
    alert(bytes) {
      const turn = lane.then(() => {
        const { signer, alert } = verifyAlert(bytes)
        return step({ type: 'alert', signer, alert, now: clock.now() })
      })
      lane = turn.catch(() => undefined)
      return turn
    },
  }
}
