import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createControlClient } from '@askee/client'
import { errorCode } from '@askee/core'
import { afterAll, describe, expect, it } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'askee-foreign-'))
/** Only the administrator can lay something there in the name of another. */
const isRoot = process.getuid?.() === 0
const bodies: string[] = []
let server: Server | undefined
afterAll(() => {
  server?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the client of the control API', () => {
  it.skipIf(!isRoot)(
    'KEY-2 tells no passphrase to a socket of another user, who may have laid it where the agent listens',
    async () => {
      chmodSync(folder, 0o711)
      const path = join(folder, 'control.sock')
      server = createServer((request, response) => {
        request.on('data', (piece) => bodies.push(String(piece)))
        request.on('end', () => response.end('{"backup":""}'))
      })
      await new Promise<void>((resolve) => server?.listen(path, resolve))
      chmodSync(path, 0o777)
      chownSync(path, 12_345, 12_345)
      const backUp = () => createControlClient(path).backUpKeys('correct horse battery staple')
      process.seteuid?.(23_456)
      try {
        expect(await backUp().catch(errorCode)).toBe('client/foreign-socket')
      } finally {
        process.seteuid?.(0)
      }
      expect(bodies).toEqual([])
      // Nor through a link, which leads to this user's socket while it is looked at.
      chownSync(path, 23_456, 23_456)
      const link = join(folder, 'link.sock')
      symlinkSync(path, link)
      lchownSync(link, 12_345, 12_345)
      const closed = join(folder, 'closed')
      mkdirSync(closed, { mode: 0o700 })
      process.seteuid?.(23_456)
      try {
        const codes = [link, join(closed, 'control.sock'), join(folder, 'none.sock')].map((socket) =>
          createControlClient(socket).backUpKeys('correct horse battery staple').catch(errorCode),
        )
        expect(await Promise.all(codes)).toEqual([
          'client/foreign-socket',
          'client/unreachable',
          'client/unreachable',
        ])
        expect(bodies).toEqual([])
        await backUp()
        expect(bodies.splice(0).join()).toContain('correct horse')
      } finally {
        process.seteuid?.(0)
      }
      // The system's administrator speaks to the agents of others, and everybody to that of the system.
      await backUp()
      expect(bodies.join()).toContain('correct horse')
    },
  )
})
