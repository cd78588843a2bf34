import { type Logger, systemClock, systemTimers } from '@askee/core'

export const quietLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => quietLogger,
}

export const components = { timers: systemTimers, clock: systemClock, logger: quietLogger }
