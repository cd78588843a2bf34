import { AskeeError, type Milliseconds, type Timers } from '@askee/core'
import { decodeHello } from './messages.ts'
import type { TaskProcess } from './task-process.ts'

/**
 * Waits for HELLO. Whatever else the runner says or does, or saying nothing in time, kills it.
 * @param accept throws AskeeError when this configuration is not what was started
 * @throws AskeeError `sandbox/start`
 */
export function awaitHello(
  timers: Timers,
  runner: Pick<TaskProcess, 'listen' | 'allow' | 'kill'>,
  timeout: Milliseconds,
  accept: (configuration: string) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (text: string) => {
      cancel()
      void runner.kill()
      reject(new AskeeError('sandbox/start', `the runner did not start: ${text}`))
    }
    const cancel = timers.after(timeout, () => fail('it said nothing in time'))
    runner.listen({
      onFrame: (frame) => {
        accept(decodeHello(frame.payload))
        // A second frame before GO is out of order.
        runner.allow({})
        cancel()
        resolve()
      },
      onFault: (_code, message) => fail(message),
    })
  })
}

/** Accepts one configuration only. */
export function expectConfiguration(expected: string): (received: string) => void {
  return (received) => {
    if (received === expected) return
    throw new AskeeError('sandbox/start', `expected "${expected}", received "${received}"`)
  }
}
