import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, systemClock, systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { requestCertificate } from '@askee/keys/authority'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorityInit, initAuthority, openAuthority, verifyIssued } from '../src/authority.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'askee-authority-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const house = (): AuthorityInit => ({ directory: join(folder, 'house'), deviceKey: { provider: 'software' } })
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => errorCode(error) ?? String(error),
  )

describe('an authority in a folder', () => {
  it('KEY-3 issues to who asks what it is allowed, and revokes for who reads its lists', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    const node = createIdentity(systemRandom)
    const want = { capabilities: ['compute', 'operate'] as const, hours: 24 }
    const request = requestCertificate(node, { ...want, now: systemClock.now() })
    const { pem, serial } = await openAuthority(init, (open) => open.issue(request, ['compute', 'witness']))
    const found = { node: node.id, serial, capabilities: ['compute'] }
    expect(await verifyIssued(init.directory, pem)).toMatchObject(found)
    expect(await codeOf(verifyIssued(init.directory, pem, 'operate'))).toBe('certificate/capability')
    const other = await openAuthority(init, (open) => open.issue(request, []))
    await openAuthority(init, (open) => open.revoke(serial, 'compromised'))
    expect(await codeOf(verifyIssued(init.directory, pem))).toBe('certificate/revoked')
    // Lists written anew still hold it, and no other.
    await openAuthority(init, (open) => open.publishLists())
    expect(await codeOf(verifyIssued(init.directory, pem))).toBe('certificate/revoked')
    expect(await verifyIssued(init.directory, other.pem)).toMatchObject({ capabilities: [] })
  })

  it('KEY-3 is made once, and never where one was only looked for', async () => {
    const init = house()
    expect(await codeOf(openAuthority(init, (open) => open.publishLists()))).toBe('agent/no-authority')
    expect(existsSync(init.directory)).toBe(false)
    await initAuthority({ ...init, name: 'Test House' })
    expect(await codeOf(initAuthority({ ...init, name: 'Another' }))).toBe('agent/authority-exists')
    expect(
      readdirSync(init.directory)
        .filter((name) => name.endsWith('.pem'))
        .sort(),
    ).toEqual(['intermediate-list.pem', 'intermediate.pem', 'root-list.pem', 'root.pem'])
    expect(await codeOf(openAuthority(init, (open) => open.revoke('x', 'ended')))).toBe('certificate/serial')
    // One thing at a time, so that no list number comes twice.
    const inside = openAuthority(init, () => codeOf(openAuthority(init, (open) => open.publishLists())))
    expect(await inside).toBe('store/in-use')
  })
})
