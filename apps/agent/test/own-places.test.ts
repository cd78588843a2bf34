import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode } from '@askee/core'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { type AgentInit, DEFAULT_INIT, startAgent } from '../src/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-places-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const isRoot = process.getuid?.() === 0

const init = (name: string, more: Partial<AgentInit> = {}): AgentInit => ({
  ...DEFAULT_INIT,
  dataDirectory: join(folder, name),
  listen: ['/ip4/127.0.0.1/tcp/0'],
  network: 'local',
  localDiscovery: 'off',
  executor: 'portable',
  logLevel: 'silent',
  ...more,
})

describe('the places of an agent', () => {
  it.skipIf(process.platform === 'win32')(
    'STO-1 are its own: a data directory that stood open to others is closed, and the socket is of this user alone',
    async () => {
      const open = init('open')
      mkdirSync(open.dataDirectory)
      chmodSync(open.dataDirectory, 0o777)
      const agent = await startAgent(open)
      expect(statSync(open.dataDirectory).mode & 0o777).toBe(0o700)
      expect(statSync(agent.socket).mode & 0o777).toBe(0o600)
      await agent.stop()
    },
  )

  it.skipIf(!isRoot)('STO-1 are not those of another user, who could put other files there', async () => {
    chmodSync(folder, 0o711)
    const foreign = init('foreign')
    mkdirSync(foreign.dataDirectory)
    chownSync(foreign.dataDirectory, 12_345, 12_345)
    process.seteuid?.(23_456)
    try {
      expect(await startAgent(foreign).catch(errorCode)).toBe('agent/foreign-directory')
    } finally {
      process.seteuid?.(0)
    }
  })

  it('STO-2 are made without changing the mask of the process, under which a folder made meanwhile could not be used', async () => {
    const umask = vi.spyOn(process, 'umask')
    const agent = await startAgent(init('meanwhile'))
    expect(umask.mock.calls).toEqual([])
    umask.mockRestore()
    await agent.stop()
  })

  it.skipIf(process.platform === 'win32')(
    'STO-2 are cleared of a dead socket, and of nothing else: a file or a living socket stays',
    async () => {
      const note = join(folder, 'note.txt')
      writeFileSync(note, 'of the person')
      expect(await startAgent(init('over-a-file', { controlSocket: note })).catch(errorCode)).toBe(
        'agent/socket-taken',
      )
      expect(readFileSync(note, 'utf8')).toBe('of the person')

      const living = join(folder, 'living.sock')
      const other = createServer(() => {}).listen(living)
      await new Promise((resolve) => other.once('listening', resolve))
      expect(await startAgent(init('over-a-living', { controlSocket: living })).catch(errorCode)).toBe(
        'agent/already-running',
      )
      expect(lstatSync(living).isSocket()).toBe(true)
      await new Promise((resolve) => other.close(resolve))

      const dead = join(folder, 'dead.sock')
      const killed = `require('node:net').createServer().listen(${JSON.stringify(dead)}, () => process.kill(process.pid, 9))`
      spawnSync(process.execPath, ['-e', killed])
      expect(existsSync(dead)).toBe(true)
      await (await startAgent(init('over-a-dead', { controlSocket: dead }))).stop()
    },
  )
})
