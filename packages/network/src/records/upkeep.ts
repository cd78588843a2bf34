import { type Clock, errorText, type Logger, type Random, type Timers, toHex } from '@askee/core'
import { Record as DhtRecord } from '@libp2p/kad-dht'
import { FIRST_UPKEEP_MS, RECORD_LIFE_MS, REPUT_MAX_MS, REPUT_MIN_MS, UPKEEP_PERIOD_MS } from '../defaults.ts'
import { type GuardedDatastore, RECORD_PREFIX, recordEntry } from './guarded-datastore.ts'
import { validRecord } from './validator.ts'

interface Own {
  readonly key: Uint8Array
  readonly bytes: Uint8Array
  due: number
}

export interface UpkeepComponents {
  readonly datastore: GuardedDatastore
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** Puts a record again. */
  readonly put: (key: Uint8Array, bytes: Uint8Array) => Promise<unknown>
}

/** Sweeps records that have expired or were forgotten by their owners, and puts the own ones again. */
export class RecordUpkeep {
  readonly #components: UpkeepComponents
  readonly #own = new Map<string, Own>()
  #cancel: (() => void)[] = []

  constructor(components: UpkeepComponents) {
    this.#components = components
  }

  start(): void {
    const run = (): void => void this.run()
    this.#cancel = [
      this.#components.timers.after(FIRST_UPKEEP_MS, run),
      this.#components.timers.every(UPKEEP_PERIOD_MS, run),
    ]
  }

  stop(): void {
    for (const cancel of this.#cancel.splice(0)) cancel()
  }

  /** Remembers an own record that was just put. */
  remember(key: Uint8Array, bytes: Uint8Array): void {
    this.#own.set(toHex(key), { key, bytes, due: this.#nextDue() })
  }

  /** Own records from the last run of the agent: served from now on, put again at the first upkeep. */
  restore(records: readonly (readonly [key: Uint8Array, bytes: Uint8Array])[]): void {
    const { datastore, clock } = this.#components
    for (const [key, bytes] of records) {
      if (validRecord(key, bytes, clock) === undefined) continue
      this.#own.set(toHex(key), { key, bytes, due: 0 })
      const stored = new DhtRecord(key, bytes, new Date(clock.now()))
      datastore.put(recordEntry(key), stored.serialize().subarray())
    }
  }

  /** Own records that are still valid. */
  own(): [key: Uint8Array, bytes: Uint8Array][] {
    const { clock } = this.#components
    return [...this.#own.values()]
      .filter(({ key, bytes }) => validRecord(key, bytes, clock) !== undefined)
      .map(({ key, bytes }) => [key, bytes])
  }

  /** One round; never throws. */
  async run(): Promise<void> {
    const { logger } = this.#components
    try {
      const swept = await this.#sweep()
      const again = await this.#putAgain()
      if (swept + again > 0) logger.debug({ swept, again }, 'records kept up')
    } catch (error) {
      logger.warn({ error: errorText(error) }, 'the upkeep of records failed')
    }
  }

  async #sweep(): Promise<number> {
    const { datastore, clock } = this.#components
    let swept = 0
    for await (const { key, value } of datastore.query({ prefix: RECORD_PREFIX })) {
      const held = DhtRecord.deserialize(value)
      const age = clock.now() - (held.timeReceived?.getTime() ?? 0)
      if (age <= RECORD_LIFE_MS && validRecord(held.key, held.value, clock) !== undefined) continue
      datastore.delete(key)
      swept++
    }
    return swept
  }

  async #putAgain(): Promise<number> {
    const { clock, put, logger } = this.#components
    let again = 0
    for (const [name, own] of [...this.#own]) {
      if (validRecord(own.key, own.bytes, clock) === undefined) {
        this.#own.delete(name)
      } else if (own.due <= clock.now()) {
        own.due = this.#nextDue()
        again++
        await put(own.key, own.bytes).catch((error: unknown) =>
          logger.warn({ error: errorText(error) }, 'an own record could not be put again'),
        )
      }
    }
    return again
  }

  #nextDue(): number {
    const { clock, random } = this.#components
    return clock.now() + REPUT_MIN_MS + random.below(REPUT_MAX_MS - REPUT_MIN_MS)
  }
}
