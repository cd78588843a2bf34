import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { headerOf } from '../../src/frames.ts'
import { WARDEN_TYPES, type WardenFrameName } from '../../src/native/warden-frames.ts'

const FOLDERS: string[] = []

/** Removes the programs that `fakeWarden` wrote. */
export async function forgetFakeWardens(): Promise<void> {
  await Promise.all(FOLDERS.splice(0).map((folder) => rm(folder, { recursive: true, force: true })))
}

/** A frame of PROTOCOL.md in hexadecimal. */
export function said(name: WardenFrameName, payload: Uint8Array | string = ''): string {
  const bytes = Buffer.from(payload)
  return Buffer.concat([headerOf(WARDEN_TYPES[name], bytes.byteLength), bytes]).toString('hex')
}

/**
 * A program in a warden's place: reads POLICY, runs `script` with `say` (hexadecimal), `count` (how many were started
 * before it) and `policy`, then waits for KILL or the end.
 */
export async function fakeWarden(script: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'askee-fake-warden-'))
  FOLDERS.push(folder)
  const path = join(folder, 'askee-warden')
  const code = `#!${process.execPath}
    const fs = require('node:fs')
    const say = (hex) => fs.writeSync(1, Buffer.from(hex, 'hex'))
    const log = ${JSON.stringify(join(folder, 'started'))}
    fs.appendFileSync(log, '.')
    const count = fs.statSync(log).size - 1
    const header = Buffer.alloc(8)
    fs.readSync(0, header)
    const payload = Buffer.alloc(header.readUInt32LE(4))
    fs.readSync(0, payload)
    const policy = payload.toString()
    ${script}
    process.stdin.on('data', (data) => { if (data.includes(Buffer.from('414b0144', 'hex'))) process.exit(0) })
    process.stdin.on('end', () => process.exit(0))`
  await writeFile(path, code)
  await chmod(path, 0o700)
  return path
}
