import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorCode, systemClock, systemRandom } from '@askee/core'
import { createIdentity } from '@askee/keys'
import { requestCertificate } from '@askee/keys/authority'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type AuthorityInit,
  initAuthority,
  openAuthority,
  recoverAuthority,
  renewIntermediate,
  verifyIssued,
} from '../src/authority.ts'

const DAY = 86_400_000
let init: AuthorityInit
beforeEach(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'askee-renewal-'))
  init = { directory, deviceKey: { provider: 'software' } }
  await initAuthority({ ...init, name: 'Test Häuser' })
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(init.directory, { recursive: true })
})

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: unknown) => errorCode(error) ?? String(error),
  )
const at = (name: string): string => join(init.directory, name)
const issue = () => {
  const want = { capabilities: [], hours: 24, now: systemClock.now() }
  const request = requestCertificate(createIdentity(systemRandom), want)
  return openAuthority(init, (open) => open.issue(request, []))
}
const verify = (pem: string) => codeOf(verifyIssued(init.directory, pem))
const publish = () => openAuthority(init, (open) => open.publishLists())
const revoke = (serial: string) => openAuthority(init, (open) => open.revoke(serial, 'compromised'))
const certificates = () =>
  readdirSync(init.directory)
    .filter((name) => name.endsWith('.pem') && !name.endsWith('list.pem'))
    .sort()
const later = (days: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * DAY })

describe('an intermediate that is renewed', () => {
  it('KEY-3 leaves the certificates of the one before it as they are, each on the list of who gave it', async () => {
    const [before, revoked] = [await issue(), await issue()]
    const { name, old } = await renewIntermediate(init)
    expect(name).toBe('intermediate-2')
    expect(old.isRevoked).toBe(false)
    const after = await issue()
    for (const { pem } of [before, revoked, after]) expect(await verify(pem)).toBe('none')
    await revoke(revoked.serial)
    await revoke(after.serial)
    await publish()
    expect(await verify(before.pem)).toBe('none')
    expect(await verify(revoked.pem)).toBe('certificate/revoked')
    expect(await verify(after.pem)).toBe('certificate/revoked')
    for (const which of ['root', 'intermediate', 'intermediate-2']) {
      rmSync(at(`keys/secrets/authority-${which}-state.secret`))
    }
    expect(await codeOf(publish())).toBe('agent/authority-state-missing')
    const recovered = await recoverAuthority(init)
    expect(recovered.root.revoked).toBe(0)
    expect(recovered.intermediate.revoked).toBe(2)

    // Its list is written for as long as a certificate of it may live, and no longer.
    const list = () => readFileSync(at('intermediate-list.pem'), 'latin1')
    const writes = async () => {
      const was = list()
      await publish()
      return list() !== was
    }
    later(3)
    expect(await writes()).toBe(true)
    later(2)
    expect(await writes()).toBe(false)
    expect(await verify(before.pem)).toBe('certificate/expired')
    expect(await verify((await issue()).pem)).toBe('none')
  })

  it('KEY-3 has all refused that the one before it signed where that is revoked, then or later', async () => {
    const first = await issue()
    const one = await renewIntermediate({ ...init, revokeOld: 'compromised' })
    expect(one.old.isRevoked).toBe(true)
    expect(await verify(first.pem)).toBe('certificate/intermediate-revoked')
    const second = await issue()
    const two = await renewIntermediate(init)
    const third = await issue()
    await publish()
    expect(await verify(first.pem)).toBe('certificate/intermediate-revoked')
    expect(await verify(second.pem)).toBe('none')
    await revoke(two.old.serial)
    expect(await verify(second.pem)).toBe('certificate/intermediate-revoked')
    expect(await verify(third.pem)).toBe('none')
    expect((await recoverAuthority(init)).root.revoked).toBe(2)
    // The one that signs: nothing is signed any more until there is another.
    await revoke(two.serial)
    expect(await codeOf(issue())).toBe('agent/authority-intermediate')
    expect(await codeOf(publish())).toBe('none')
    await renewIntermediate(init)
    expect(await verify((await issue()).pem)).toBe('none')
    expect(await verify(third.pem)).toBe('certificate/intermediate-revoked')
  })

  it('KEY-3 lets an authority go on whose intermediate is over', async () => {
    later(366)
    await publish()
    expect(await codeOf(issue())).toBe('agent/authority-intermediate')
    await renewIntermediate(init)
    expect(await verify((await issue()).pem)).toBe('none')
  })

  it('KEY-3 takes no key that was there, after a renewal that was broken off', async () => {
    const { pem } = await issue()
    await renewIntermediate({ ...init, revokeOld: 'superseded' })
    // All was written but the certificate.
    rmSync(at('intermediate-2.pem'))
    expect(await codeOf(issue())).toBe('agent/authority-intermediate')
    const again = await renewIntermediate({ ...init, revokeOld: 'superseded' })
    expect(again.name).toBe('intermediate-3')
    expect(await verify(pem)).toBe('certificate/intermediate-revoked')
    expect(await verify((await issue()).pem)).toBe('none')
    expect(certificates()).toEqual(['intermediate-3.pem', 'intermediate.pem', 'root.pem'])
  })

  it('KEY-3 is needed: no init gives a revoked one another certificate', async () => {
    const { pem } = await issue()
    await renewIntermediate({ ...init, revokeOld: 'compromised' })
    const good = await issue()
    const take = () => codeOf(initAuthority({ ...init, name: 'Test Häuser', keys: 'take' }))
    rmSync(at('root.pem'))
    expect(await take()).toBe('none')
    expect(await verify(pem)).toBe('certificate/intermediate-revoked')
    expect(await verify(good.pem)).toBe('none')
    for (const name of certificates()) rmSync(at(name))
    expect(await take()).toBe('agent/authority-list-older')
    expect(certificates()).toEqual([])
  })
})
