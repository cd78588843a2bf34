import { type ChildProcess, spawn } from 'node:child_process'
import { AskeeError, errorText, type Timers } from '@askee/core'
import type { FaultCode } from '../executor.ts'
import { type Frame, type FrameCaps, type FrameName, FrameReader, frameHeader, headerOf } from '../frames.ts'
import { HELLO_CAPS } from '../messages.ts'
import { DEAF, type ProcessUsage, type RunnerListener, type TaskProcess } from '../task-process.ts'
import { TaskWindow } from './task-window.ts'
import {
  decodeCredit,
  decodeExit,
  decodeReport,
  decodeUsed,
  HOLDING_CAPS,
  OPENING_CAPS,
  refusal,
  type UsedReport,
  WARDEN_TYPES,
  type WardenFrameName,
  type WardenReport,
} from './warden-frames.ts'

/** A warden that does not end what it was told to end is itself killed; the kernel takes the task along. */
const KILL_GRACE = 2000
/** Frames below this are copied together: one write instead of two. */
const SMALL_BYTES = 16 * 1024

type Answer = 'frozen' | 'thawed' | 'used'

/** One warden and the runner it holds. Speaks PROTOCOL.md outside and FRAMES.md inside. */
export class WardenProcess implements TaskProcess {
  readonly exited: Promise<void>
  /** What is in force; rejects with `sandbox/policy`, `sandbox/tier` or `sandbox/start`. */
  readonly report: Promise<WardenReport>
  readonly #timers: Timers
  readonly #child: ChildProcess
  readonly #outer = new FrameReader<WardenFrameName>(OPENING_CAPS, WARDEN_TYPES)
  readonly #inner = new FrameReader(HELLO_CAPS)
  readonly #window = new TaskWindow((chunk) => this.#sendOuter('task', chunk))
  readonly #waiting: Record<Answer, (() => void)[]> = { frozen: [], thawed: [], used: [] }
  #listener: RunnerListener = DEAF
  #settle: { resolve(report: WardenReport): void; reject(error: AskeeError): void }
  #used: UsedReport | null = null
  #end: { code: FaultCode; message: string } = { code: 'fault/child-died', message: 'the warden ended' }
  /** Nothing of the task runs any more: the warden reaped it and said so, or is gone itself. It still puts its things away. */
  readonly #ended = Promise.withResolvers<void>()
  #isKilled = false
  #isGone = false
  #cancelGrace = (): void => {}

  constructor(timers: Timers, warden: string, policy: string) {
    this.#timers = timers
    this.#settle = { resolve: () => undefined, reject: () => undefined }
    this.report = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever wants it awaits it; for the others an end is told by `onFault`.
    this.report.catch(() => undefined)
    this.#child = spawn(warden, [], {
      env: {},
      cwd: '/',
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    })
    this.exited = this.#follow(this.#child)
    this.#sendOuter('policy', Buffer.from(policy))
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get isGone(): boolean {
    return this.#isGone
  }

  listen(listener: RunnerListener): void {
    this.#listener = listener
  }

  allow(caps: FrameCaps): void {
    this.#inner.allow(caps)
  }

  send(name: FrameName, ...parts: readonly Uint8Array[]): void {
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
    const all = [frameHeader(name, length), ...parts]
    if (length <= SMALL_BYTES) this.#window.push(Buffer.concat(all))
    else for (const part of all) this.#window.push(part)
  }

  freeze(): Promise<void> {
    return this.#ask('freeze', 'frozen')
  }

  thaw(): Promise<void> {
    return this.#ask('thaw', 'thawed')
  }

  async kill(): Promise<void> {
    if (!this.#isKilled) {
      this.#isKilled = true
      this.#sendOuter('kill')
      this.#cancelGrace = this.#timers.after(KILL_GRACE, () => this.#child.kill('SIGKILL'))
      if (this.#isGone) this.#cancelGrace()
    }
    await this.#ended.promise
  }

  /** After the end: what the warden said last. */
  async usage(): Promise<ProcessUsage | null> {
    if (this.#isKilled || this.#isGone) await this.#ended.promise
    else await this.#ask('usage', 'used')
    return this.#used
  }

  #ask(question: WardenFrameName, answer: Answer): Promise<void> {
    if (this.#isGone || this.#isKilled) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting[answer].push(resolve)
      this.#sendOuter(question)
    })
  }

  #follow(child: ChildProcess): Promise<void> {
    child.stdin?.on('error', () => undefined)
    child.stdout?.on('error', () => undefined)
    child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk))
    return new Promise((resolve) => {
      const gone = (how: string) => {
        if (this.#isGone) return
        this.#isGone = true
        this.#cancelGrace()
        this.#ended.resolve()
        this.#settle.reject(new AskeeError('sandbox/start', `the warden did not start a runner: ${how}`))
        for (const answer of Object.values(this.#waiting)) for (const done of answer.splice(0)) done()
        resolve()
        this.#fault(this.#end.code, this.#end.message)
      }
      // `close` comes after the last byte was read.
      child.once('close', (code, signal) => gone(signal === null ? `exit code ${code}` : `signal ${signal}`))
      child.once('error', (error) => {
        if (child.pid === undefined) gone(errorText(error))
      })
    })
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#outer.push(chunk)) this.#onFrame(frame)
    } catch (error) {
      // Whatever it is: also no room for what the runner may say is this task's end and not the agent's.
      const message = errorText(error)
      this.#child.stdout?.removeAllListeners('data').resume()
      this.#settle.reject(error instanceof AskeeError ? error : new AskeeError('sandbox/start', message))
      // Also for a listener that comes later: a spare can break the rules between two owners.
      this.#end = { code: 'fault/engine', message }
      this.#fault(this.#end.code, this.#end.message)
    }
  }

  #onFrame({ name, payload }: Frame<WardenFrameName>): void {
    switch (name) {
      case 'report':
        this.#outer.allow(HOLDING_CAPS)
        this.#settle.resolve(decodeReport(payload))
        break
      case 'runner':
        for (const frame of this.#inner.push(payload)) this.#listener.onFrame(frame)
        break
      case 'credit':
        this.#window.grant(decodeCredit(payload))
        break
      case 'used':
        this.#used = decodeUsed(payload)
        this.#waiting.used.shift()?.()
        break
      case 'frozen':
      case 'thawed':
        this.#waiting[name].shift()?.()
        break
      case 'exit':
        this.#end = decodeExit(payload)
        this.#ended.resolve()
        break
      case 'refused': {
        const error = refusal(payload)
        this.#end = { code: 'fault/start', message: error.message }
        this.#settle.reject(error)
        break
      }
    }
  }

  #fault(code: FaultCode, message: string): void {
    const listener = this.#listener
    this.#listener = DEAF
    listener.onFault(code, message)
  }

  #sendOuter(name: WardenFrameName, payload: Uint8Array = new Uint8Array(0)): void {
    const stdin = this.#child.stdin
    if (stdin === null || this.#isGone) return
    const header = headerOf(WARDEN_TYPES[name], payload.byteLength)
    if (payload.byteLength <= SMALL_BYTES) {
      stdin.write(Buffer.concat([header, payload]))
      return
    }
    stdin.cork()
    stdin.write(header)
    stdin.write(payload)
    stdin.uncork()
  }
}
