import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode, errorCode, systemClock, systemRandom } from '@askee/core'
import { createIdentity, openKeyStore } from '@askee/keys'
import { fromPem, readRevocationList, requestCertificate } from '@askee/keys/authority'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type AuthorityInit,
  initAuthority,
  openAuthority,
  recoverAuthority,
  verifyIssued,
} from '../src/authority.ts'
import { openDeviceKey } from '../src/device-key.ts'
import { keyPaths } from '../src/paths.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'askee-authority-'))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

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

  const issue = ({ directory, deviceKey }: AuthorityInit) => {
    const want = { capabilities: [], hours: 24, now: systemClock.now() }
    const request = requestCertificate(createIdentity(systemRandom), want)
    return openAuthority({ directory, deviceKey }, (open) => open.issue(request, []))
  }
  const STATE = 'keys/secrets/authority-intermediate-state.secret'
  const LIST = 'intermediate-list.pem'
  const at = ({ directory }: AuthorityInit, name: string): string => join(directory, name)
  const listIn = (init: AuthorityInit) =>
    readRevocationList(
      fromPem(readFileSync(at(init, LIST), 'latin1'), 'X509 CRL'),
      fromPem(readFileSync(at(init, 'intermediate.pem'), 'latin1'), 'CERTIFICATE'),
    )
  /** The secrets of the house, as an earlier version or a thief may write them. */
  const withStore = async (
    { directory, deviceKey }: AuthorityInit,
    use: (store: Awaited<ReturnType<typeof openKeyStore>>) => Promise<void>,
  ) => {
    const paths = { directory, ...keyPaths(join(directory, 'keys')) }
    const device = await openDeviceKey(deviceKey, paths, systemRandom)
    await use(await openKeyStore({ directory: paths.secrets, deviceKey: device, random: systemRandom }))
    await device.close()
  }

  it('KEY-3 forgets no revocation when what it knew of its lists is lost or old, and goes on where a person says so', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    const [first, second] = [await issue(init), await issue(init)]
    copyFileSync(at(init, LIST), join(folder, 'list-1'))
    await openAuthority(init, (open) => open.revoke(first.serial, 'compromised'))
    copyFileSync(at(init, LIST), join(folder, 'list-2'))
    copyFileSync(at(init, STATE), join(folder, 'state-2'))
    await openAuthority(init, (open) => open.revoke(second.serial, 'ended'))
    const { number } = listIn(init)
    const works = () => codeOf(openAuthority(init, (open) => open.publishLists()))
    const serials = () =>
      listIn(init)
        .revoked.map(({ serial }) => serial)
        .sort()
    const both = [first.serial, second.serial].sort()

    // An old copy of what it knew: the list that it signed since says all.
    copyFileSync(join(folder, 'state-2'), at(init, STATE))
    expect(await works()).toBe('none')
    expect(serials()).toEqual(both)
    expect(listIn(init).number).toBe(number + 1)
    copyFileSync(at(init, LIST), join(folder, 'list-3'))

    // An old list, another one, none.
    const spoilt: [string, () => void][] = [
      ['older', () => copyFileSync(join(folder, 'list-2'), at(init, LIST))],
      ['much older', () => copyFileSync(join(folder, 'list-1'), at(init, LIST))],
      ['of the root', () => copyFileSync(at(init, 'root-list.pem'), at(init, LIST))],
      ['cut off', () => writeFileSync(at(init, LIST), readFileSync(at(init, LIST)).subarray(0, 200))],
      ['gone', () => rmSync(at(init, LIST))],
    ]
    for (const [what, spoil] of spoilt) {
      spoil()
      expect(await works(), what).toBe('agent/authority-list-older')
      expect(await codeOf(recoverAuthority(init)), what).toBe('agent/authority-list-older')
      copyFileSync(join(folder, 'list-3'), at(init, LIST))
    }

    // What it knew is gone: refused until a person says that the list is the newest.
    rmSync(at(init, STATE))
    expect(await works()).toBe('agent/authority-state-missing')
    expect(await codeOf(issue(init))).toBe('agent/authority-state-missing')
    const recovered = await recoverAuthority(init)
    expect(recovered.intermediate.revoked).toBe(2)
    expect(recovered.root.revoked).toBe(0)
    expect(serials()).toEqual(both)
    // Above whatever was published in between.
    expect(listIn(init).number).toBeGreaterThan(number + 1000)
    expect(await works()).toBe('none')
    expect(await codeOf(verifyIssued(init.directory, first.pem))).toBe('certificate/revoked')

    // No list is left anywhere.
    rmSync(at(init, LIST))
    expect(await codeOf(recoverAuthority(init))).toBe('agent/authority-list-older')
    const before = (await recoverAuthority({ ...init, loss: 'accept' })).intermediate
    expect(before.revoked).toBe(0)
    expect(await codeOf(verifyIssued(init.directory, first.pem))).toBe('none')
  })

  it('KEY-3 forgets no revocation when its root.pem is lost, whatever way on is taken', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    const { serial, pem } = await issue(init)
    await openAuthority(init, (open) => open.revoke(serial, 'compromised'))
    copyFileSync(at(init, LIST), join(folder, 'list'))
    rmSync(at(init, 'root.pem'))
    await expect(openAuthority(init, (open) => open.publishLists())).rejects.toThrow(/authority recover/)
    expect(await codeOf(initAuthority({ ...init, name: 'Test House' }))).toBe('agent/authority-keys-held')
    const take = (name: string) => codeOf(initAuthority({ ...init, name, keys: 'take' }))
    // What is there is of another name.
    expect(await take('Other House')).toBe('agent/authority-key')
    rmSync(at(init, LIST))
    expect(await take('Test House')).toBe('agent/authority-list-older')
    copyFileSync(join(folder, 'list'), at(init, LIST))
    rmSync(at(init, STATE))
    expect(await take('Test House')).toBe('none')
    expect(await codeOf(verifyIssued(init.directory, pem))).toBe('certificate/revoked')
  })

  it('KEY-3 sees that a list made on a clock that was ahead is not of today', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    const { serial } = await issue(init)
    const ahead = async (use: () => Promise<unknown>) => {
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 172_800_000 })
      await use()
      vi.useRealTimers()
    }
    // The intermediate's is written anew by the way.
    await ahead(() => openAuthority(init, (open) => open.revoke(serial, 'ended')))
    expect(await codeOf(issue(init).then(({ pem }) => verifyIssued(init.directory, pem)))).toBe('none')
    // The root's is not, and is asked for.
    await ahead(() => openAuthority(init, (open) => open.publishLists()))
    expect(await codeOf(issue(init))).toBe('agent/authority-root-list')
    await openAuthority(init, (open) => open.publishLists())
    expect(await codeOf(issue(init).then(({ pem }) => verifyIssued(init.directory, pem)))).toBe('none')
  })

  it('KEY-3 takes a serial number as other programs print it', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    for (const print of [
      (serial: string) => serial.toUpperCase(),
      (serial: string) => (serial.toUpperCase().match(/../g) as string[]).join(':'),
    ]) {
      const { serial, pem } = await issue(init)
      await openAuthority(init, (open) => open.revoke(print(serial), 'ended'))
      expect(await codeOf(verifyIssued(init.directory, pem))).toBe('certificate/revoked')
    }
  })

  it('KEY-3 goes on after a crash between a list and what is known of it', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    const { serial, pem } = await issue(init)
    copyFileSync(at(init, STATE), join(folder, 'state'))
    await openAuthority(init, (open) => open.revoke(serial, 'ended'))
    // The list was written, and nothing after it.
    copyFileSync(join(folder, 'state'), at(init, STATE))
    await issue(init)
    await openAuthority(init, (open) => open.publishLists())
    expect(await codeOf(verifyIssued(init.directory, pem))).toBe('certificate/revoked')
  })

  it('KEY-3 goes on from the state of an earlier version, whatever stands in its list', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    const [one, two] = [await issue(init), await issue(init)]
    await openAuthority(init, (open) => open.revoke(two.serial, 'ended'))
    const revoked = [{ serial: one.serial, at: systemClock.now(), reason: 'withdrawn' }]
    await withStore(init, (store) =>
      store.replace('authority-intermediate-state', encode({ v: 1, listNumber: 40, revoked })),
    )
    await openAuthority(init, (open) => open.publishLists())
    const { number, revoked: listed } = listIn(init)
    expect(number).toBe(41)
    expect(listed.map(({ serial }) => serial).sort()).toEqual([one.serial, two.serial].sort())
  })

  it('KEY-3 takes over no keys that an authority has already, and opens no other key than its own', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    // A folder of which all but the keys was lost.
    const second = { ...init, directory: join(folder, 'second') }
    mkdirSync(second.directory)
    cpSync(at(init, 'keys'), at(second, 'keys'), { recursive: true })
    const again = () => codeOf(initAuthority({ ...second, name: 'Test House' }))
    expect(await again()).toBe('agent/authority-keys-held')
    expect(readdirSync(second.directory).filter((name) => name.endsWith('.pem'))).toEqual([])
    // Deliberately, but not while the keys say that there were lists.
    const take = () => initAuthority({ ...second, name: 'Test House', keys: 'take' })
    expect(await codeOf(take())).toBe('agent/authority-list-older')
    for (const which of ['root', 'intermediate'])
      rmSync(at(second, `keys/secrets/authority-${which}-state.secret`))
    await take()
    expect(listIn(second).number).toBeGreaterThan(listIn(init).number + 1000)

    const other = { ...init, directory: join(folder, 'other') }
    await initAuthority({ ...other, name: 'Test House' })
    rmSync(at(other, 'keys'), { recursive: true })
    expect(await codeOf(openAuthority(other, (open) => open.publishLists()))).toBe(
      'agent/authority-state-missing',
    )
    expect(await codeOf(recoverAuthority(other))).toBe('keys/no-key')
    cpSync(at(init, 'keys'), at(other, 'keys'), { recursive: true })
    for (const name of ['root-list.pem', LIST]) copyFileSync(at(init, name), at(other, name))
    expect(await codeOf(recoverAuthority({ ...other, loss: 'accept' }))).toBe('agent/authority-key')
  })

  it('KEY-3 needs the key of the root for its own list alone', async () => {
    const init = house()
    await initAuthority({ ...init, name: 'Test House' })
    const root = at(init, 'keys/secrets/authority-root.secret')
    copyFileSync(root, join(folder, 'root-key'))
    rmSync(root)
    const { serial, pem } = await issue(init)
    await openAuthority(init, (open) => open.revoke(serial, 'ended'))
    expect(await codeOf(verifyIssued(init.directory, pem))).toBe('certificate/revoked')
    expect(await codeOf(openAuthority(init, (open) => open.publishLists()))).toBe('keys/no-key')
    // A certificate that nobody would take is not made.
    rmSync(at(init, 'root-list.pem'))
    expect(await codeOf(issue(init))).toBe('agent/authority-root-list')
    copyFileSync(join(folder, 'root-key'), root)
    const last = serial.at(-1)
    const typed = serial.slice(0, -1) + (last === '1' ? '2' : '1')
    expect(await codeOf(openAuthority(init, (open) => open.revoke(typed, 'ended')))).toBe(
      'certificate/unknown-serial',
    )
  })
})
