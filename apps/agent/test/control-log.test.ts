import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Logger, silentLogger } from '@askee/core'
import { afterAll, describe, expect, it } from 'vitest'
import { type ControlServerParts, createControlServer } from '../src/control/server.ts'

const folder = mkdtempSync(join(tmpdir(), 'askee-control-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function post(socketPath: string, path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const call = request({ socketPath, method: 'POST', path, headers }, (response) => {
      let text = ''
      response.on('data', (piece) => {
        text += piece
      })
      response.on('end', () => resolve(text))
    })
    call.once('error', reject).end(body)
  })
}

describe('the log of the control API', () => {
  it('STO-1 names the code of what failed, and nothing that was sent: that is for who asked alone', async () => {
    const lines: string[] = []
    const logger: Logger = { ...silentLogger, warn: (...line) => void lines.push(JSON.stringify(line)) }
    const socket = join(folder, 'control.sock')
    const parts = { logger, nodeKeys: {}, audit: { watch: {} } } as unknown as ControlServerParts
    const server = createControlServer(parts, socket, () => {})
    await server.start()
    const answer = await post(socket, '/v1/keys/rotate', '{"correct horse":1}')
    const malformed = await post(socket, '/v1/keys/rotate', '{"uses": battery staple')
    await server.stop()
    expect(answer).toContain('correct horse')
    expect(malformed).toContain('control/bad-request')
    expect(lines).toHaveLength(2)
    expect(lines.join()).toContain('codec/schema')
    expect(lines.join()).toContain('/v1/keys/rotate')
    expect(lines.join()).not.toMatch(/horse|battery/)
  })
})
