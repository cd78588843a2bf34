import { join } from 'node:path'
import { type ControlClient, createControlClient } from '@askee/client'
import type { EnginePolicy } from '@askee/compute'
import type { ExecutorPolicy } from '@askee/sandbox'
import { InvalidArgumentError, Option } from 'commander'
import envPaths from 'env-paths'

/** Where an agent keeps its things when nothing else is said. */
export function defaultDataDirectory(): string {
  return envPaths('askee', { suffix: '' }).data
}

/** The control socket named by the options of a command, or the default agent's. */
export function controlClient(options: { control?: string; data?: string }): ControlClient {
  return createControlClient(options.control ?? join(options.data ?? defaultDataDirectory(), 'control.sock'))
}

/** Parser of a whole number in a range, for option arguments. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`)
    }
    return value
  }
}

/** Parser of a decimal number in a range, for option arguments. */
export function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`expected a number from ${min} to ${max}`)
    }
    return value
  }
}

/** Parser of a list with commas whose items come from a fixed set; repeated options add up. */
export function listOf<T extends string>(
  allowed: readonly T[],
): (text: string, previous?: readonly T[]) => T[] {
  return (text, previous = []) => {
    const items = text.split(',').map((item) => item.trim())
    for (const item of items) {
      if (!(allowed as readonly string[]).includes(item)) {
        throw new InvalidArgumentError(`"${item}" is none of: ${allowed.join(', ')}`)
      }
    }
    return [...previous, ...(items as T[])]
  }
}

/** Collects a repeated option. */
export function repeated(text: string, previous: readonly string[] = []): string[] {
  return [...previous, text]
}

/** `--engines any|diverse`, default `any`. */
export function enginesOption(): Option {
  return new Option(
    '--engines <policy>',
    'diverse: every result must come from nodes with at least two engines (docs/protocol.md)',
  )
    .choices(['any', 'diverse'] satisfies EnginePolicy[])
    .default('any')
}

const EXECUTORS: readonly ExecutorPolicy[] = ['best', 'native', 'v8', 'portable']

/** `--executor best|native|v8|portable`, default `best`. */
export function executorOption(): Option {
  return new Option(
    '--executor <kind>',
    'what runs tasks: wasmtime or V8 in native containment, V8 in a bare process, or the best there is',
  )
    .choices([...EXECUTORS])
    .default('best')
}
