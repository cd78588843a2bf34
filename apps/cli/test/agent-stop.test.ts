import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lockDirectory } from '@askee/store'
import { afterAll, describe, expect, it } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'askee-agent-stop-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const BIN = fileURLToPath(new URL('../bin/askee.js', import.meta.url))

/** Makes the command think that it runs on a Node that is too old, so that it starts another one. */
const OLD_NODE =
  'data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"20.1.0"}})'

describe('askee agent', () => {
  it.each([
    ['SIGINT', 'this Node', []],
    ['SIGTERM', 'this Node', []],
    ['SIGTERM', 'the Node that an older one starts', ['--import', OLD_NODE]],
  ] as const)(
    'STO-2 stops cleanly on %s to %s while it starts, and gives its directory back',
    async (signal, which, options) => {
      const data = join(folder, `${signal} ${which.length}`)
      const more = ['--network', 'local', '--no-mdns', '--log-level', 'silent', '--json']
      const args = [...options, BIN, 'agent', '--data', data, ...more]
      const agent = spawn(process.execPath, args, { stdio: 'ignore' })
      const exited = once(agent, 'exit')
      await expect.poll(() => existsSync(join(data, 'lock')), { timeout: 60_000, interval: 5 }).toBe(true)
      agent.kill(signal)
      // With the code of an orderly end, not by the signal.
      expect(await exited).toEqual([0, null])
      for (const name of ['audit.db', 'consents.db', 'witness.db']) {
        expect([name, existsSync(join(data, `${name}-wal`))]).toEqual([name, false])
      }
      lockDirectory(data)()
    },
    120_000,
  )
})
