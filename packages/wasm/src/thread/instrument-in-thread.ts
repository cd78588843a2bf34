import { Worker } from 'node:worker_threads'
import { AskeeError, errorText, type Milliseconds, systemTimers, type Timers } from '@askee/core'
import { LIMITS } from '../limits.ts'
import { type Instrumented, instrument, type PassOptions } from '../pass.ts'
import type { PassAnswer, PassTask } from './messages.ts'

/** Bytes of a module that is instrumented in place: about as quick as starting a thread. */
const IN_PLACE_BYTES = 256 * 1024
/** The largest module takes some seconds of an idle processor; most of this is for busy and slow machines. */
const TIME_LIMIT = 120_000 as Milliseconds
/**
 * Of the thread's JavaScript heap. Nothing that is admitted needs half of it. The bytes themselves are not counted:
 * they are bounded by LIMITS.
 */
const RESOURCES = { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 64, stackSizeMb: 4 } as const

export interface ThreadOptions extends PassOptions {
  /** Default: the machine's. */
  readonly timers?: Timers
  /** How long the thread may take; default two minutes. */
  readonly timeLimit?: Milliseconds
}

/**
 * {@link instrument} without holding up the event loop: modules above 256 KiB are instrumented in a thread of their own, which
 * has limits of memory and time. The bytes stay the caller's. Each call starts one thread, so the caller bounds how many.
 * @param signal ends the thread; the promise is rejected with its reason
 * @throws AskeeError `wasm/*` as {@link instrument}; `fault/pass-time` and `fault/pass-thread` when this machine failed at
 * it, which says nothing about the module
 */
export async function instrumentInThread(
  bytes: Uint8Array,
  options: ThreadOptions = {},
  signal?: AbortSignal,
): Promise<Instrumented> {
  signal?.throwIfAborted()
  const { timers = systemTimers, timeLimit = TIME_LIMIT, ...pass } = options
  // What is too large is refused by its length alone, before anything of it is copied.
  if (bytes.byteLength <= IN_PLACE_BYTES || bytes.byteLength > LIMITS.moduleBytes)
    return instrument(bytes, pass)
  const answer = await answerOfThread({ bytes: bytes.slice(), options: pass }, timers, timeLimit, signal)
  if (answer.kind === 'instrumented') return answer.instrumented
  throw new AskeeError(answer.code, answer.message, answer.details)
}

async function answerOfThread(
  task: PassTask,
  timers: Timers,
  timeLimit: Milliseconds,
  signal: AbortSignal | undefined,
): Promise<PassAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<PassAnswer>()
  const thread = new Worker(new URL('./main.ts', import.meta.url), {
    workerData: task,
    transferList: [task.bytes.buffer as ArrayBuffer],
    resourceLimits: RESOURCES,
    execArgv: [],
    env: {},
  })
  const abort = (): void => reject(signal?.reason)
  const cancelTimer = timers.after(timeLimit, () => {
    reject(new AskeeError('fault/pass-time', `instrumenting a module took longer than ${timeLimit} ms`))
  })
  signal?.addEventListener('abort', abort, { once: true })
  thread.once('message', resolve)
  thread.once('error', (error) => reject(threadFault(errorText(error), error)))
  thread.once('exit', (code) => reject(threadFault(`it ended with code ${code} and no answer`)))
  try {
    return await promise
  } finally {
    cancelTimer()
    signal?.removeEventListener('abort', abort)
    await thread.terminate()
  }
}

function threadFault(text: string, cause?: unknown): AskeeError {
  return new AskeeError(
    'fault/pass-thread',
    `the thread that instruments a module failed: ${text}`,
    {},
    { cause },
  )
}
