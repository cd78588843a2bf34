import { type ChildProcess, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { errorText } from '@askee/core'
import { encodeFrame, type FrameCaps, type FrameName, FrameReader, frameHeader } from '../frames.ts'
import { HELLO_CAPS } from '../messages.ts'
import { DEAF, type RunnerListener } from '../task-process.ts'

export interface RunnerCommand {
  readonly file: string
  readonly args: readonly string[]
  /** 0 (normal) to 19 (gives way to everything else). */
  readonly niceness: number
}

/** A runner: one operating system process and its two pipes. What it says is bounded before it is read. */
export class RunnerProcess {
  /** Resolves when the process is gone. */
  readonly exited: Promise<void>
  readonly #child: ChildProcess
  readonly #reader = new FrameReader(HELLO_CAPS)
  #listener: RunnerListener = DEAF
  #isGone = false
  #how = 'it could not be started'

  constructor(command: RunnerCommand) {
    this.#child = spawn(command.file, [...command.args], {
      env: {},
      cwd: '/',
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    })
    const child = this.#child
    this.exited = new Promise((resolve) => {
      const gone = (how: string) => {
        this.#isGone = true
        this.#how = how
        resolve()
      }
      child.once('exit', (code, signal) => gone(signal === null ? `exit code ${code}` : `signal ${signal}`))
      child.once('error', (error) => {
        if (child.pid !== undefined) return
        gone(errorText(error))
        this.#close()
      })
    })
    child.once('close', () => this.#close())
    child.stdin?.on('error', () => undefined)
    child.stdout?.on('error', () => undefined)
    child.stdout?.on('data', (chunk: Buffer) => this.#read(chunk))
    if (child.pid !== undefined && command.niceness > 0) lowerPriority(child.pid, command.niceness)
  }

  /** Undefined when the process could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  get isGone(): boolean {
    return this.#isGone
  }

  listen(listener: RunnerListener): void {
    this.#listener = listener
  }

  /** From the next frame on only these are allowed. */
  allow(caps: FrameCaps): void {
    this.#reader.allow(caps)
  }

  /** Sends one frame; the parts of its payload are not copied together. */
  send(name: FrameName, ...parts: readonly Uint8Array[]): void {
    const stdin = this.#child.stdin
    if (stdin === null || this.#isGone) return
    if (parts.length === 0) {
      stdin.write(encodeFrame(name))
      return
    }
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0)
    stdin.cork()
    stdin.write(frameHeader(name, length))
    for (const part of parts) if (part.byteLength > 0) stdin.write(part)
    stdin.uncork()
  }

  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    if (!this.#isGone) this.#child.kill(name)
  }

  /** Ends the process; resolves when it is gone. Works on a frozen one too. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#listener.onFrame(frame)
    } catch (error) {
      // Whatever it is: also no room for what the runner may say is this task's end and not the agent's.
      this.#child.stdout?.destroy()
      const listener = this.#listener
      this.#listener = DEAF
      listener.onFault('fault/engine', errorText(error))
    }
  }

  #close(): void {
    const listener = this.#listener
    this.#listener = DEAF
    listener.onFault('fault/child-died', `the runner ended without a result: ${this.#how}`)
  }
}

/** Threads the runner creates later inherit this; it creates them all after its exec. */
function lowerPriority(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness)
  } catch {
    // It died already, or the system has no priorities: neither is worth failing a task for.
  }
}
