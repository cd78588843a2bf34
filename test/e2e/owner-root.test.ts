import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemRandom } from '@askee/core'
import { createIdentity, createOwnerRoot, signAdoption } from '@askee/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { madeUp } from '../../packages/keys/test/support/made-up-share.ts'
import { askee } from './askee.ts'
import { TestMesh, until } from './mesh.ts'

const DEADLINE_MS = 300_000

let mesh = new TestMesh()
beforeEach(() => {
  mesh = new TestMesh()
})
afterEach(() => mesh.stop())

const inMesh = (name: string): string => join(mesh.directory, name)
const root = async (...args: string[]) =>
  JSON.parse((await askee(['keys', 'root', ...args, '--json'])).stdout)
const given = (...files: string[]) => files.flatMap((file) => ['--share', file])

describe('askee keys root', () => {
  it(
    'KEY-1 voids a lost node with three shares of five through any other node, and a thief of its disk is refused',
    async () => {
      const friend = await mesh.start('friend')
      const lost = await mesh.start('lost', friend.addresses)
      const data = ['--data', inMesh('lost')]
      const made = await root('create', inMesh('shares'), ...data)
      expect(made).toMatchObject({ node: lost.node, threshold: 3 })
      const files: string[] = made.files
      expect(files).toHaveLength(5)
      expect((await lost.client.keys()).root).toMatchObject({ root: made.root })
      expect((await askee(['keys', 'list', ...data])).stderr).toContain(made.root)
      expect((await root('create', inMesh('shares'), ...data)).error.code).toBe('cli/usage')
      const adopted = (await lost.client.auditLog()).entries.find(
        ({ action }) => action === 'key.root-adopted',
      )
      expect(adopted?.content).toEqual({ root: made.root })

      // The machine is gone, with all that was on it.
      await lost.stop()
      const document = inMesh('void')
      const sign = (...shares: string[]) => root('void', document, ...given(...shares))
      expect((await sign(files[0]!, files[1]!)).error.code).toBe('keys/shares-too-few')
      const typed = inMesh('typed')
      const text = /^share (.+)$/m.exec(readFileSync(files[4]!, 'utf8'))?.[1] as string
      writeFileSync(
        typed,
        text.replace(/^./, (first) => (first === 'Z' ? 'Y' : 'Z')),
      )
      expect((await sign(files[0]!, files[1]!, typed)).error.code).toBe('keys/share-damaged')
      writeFileSync(typed, `${text.toLowerCase().replaceAll('-', ' ')}\n`)
      expect(await sign(files[0]!, files[2]!, typed)).toMatchObject({ node: lost.node, reason: 'lost' })

      const other = await mesh.start('other', friend.addresses)
      await until('met', async () => (await other.client.status()).peers.includes(friend.node))
      const published = await root('publish', document, '--data', inMesh('friend'))
      expect(published).toMatchObject({ node: lost.node, root: made.root })
      const refused = async () =>
        (await other.client.peerKeys(lost.node, 'known')).keys.map(({ code }) => code)
      await until('told', async () => (await refused()).every((code) => code === 'keys/identity-revoked'))

      // A thief starts what was on the disk; its friends of before do not take it.
      const thief = await mesh.start('lost', [...friend.addresses, ...other.addresses])
      expect(thief.node).toBe(lost.node)
      const asked = await other.client.peerKeys(lost.node, 'ask').catch(() => undefined)
      expect(new Set(asked?.keys.map(({ code }) => code) ?? [])).not.toContain(null)
      expect(new Set(await refused())).toEqual(new Set(['keys/identity-revoked']))
      // Who heard of it once knows it for good, also where nobody is left to tell.
      await friend.stop()
      await other.stop()
      const again = await mesh.start('other')
      const known = await again.client.peerKeys(lost.node, 'known')
      expect(new Set(known.keys.map(({ code }) => code))).toEqual(new Set(['keys/identity-revoked']))
    },
    DEADLINE_MS,
  )

  it(
    'KEY-1 puts a second node under the root, and takes no shares that do not go together',
    async () => {
      const [one, two] = [await mesh.start('one'), await mesh.start('two')]
      const first = await root('create', inMesh('a'), '--data', inMesh('one'))
      const twoOfTwo = ['--shares', '2', '--threshold', '2', '--data', inMesh('two')]
      expect((await root('create', ...twoOfTwo)).error.code).toBe('cli/usage')
      // For paper: the shares come on no disk.
      const another = await root('create', '--print', ...twoOfTwo)
      writeFileSync(inMesh('other-share'), another.shares[0])
      const [a, b, c] = first.files as [string, string, string]
      const certify = (...shares: string[]) =>
        root('certify', inMesh('adopted'), ...given(...shares), '--data', inMesh('two'))
      expect((await certify(a, b, inMesh('other-share'))).error.code).toBe('keys/shares-mixed')
      expect((await two.client.keys()).root?.root).toBe(another.root)
      expect(await certify(a, b, c)).toMatchObject({ root: first.root, node: two.node })
      expect((await two.client.keys()).root?.root).toBe(first.root)

      const sign = (...more: string[]) => root('void', inMesh('void'), ...given(a, b, c), ...more)
      expect((await sign('--node', two.node)).error.code).toBe('keys/not-adopted')
      const both = ['--adoption', inMesh('adopted')]
      expect((await sign(...both)).error.message).toContain('--node')
      expect(await sign(...both, '--node', two.node)).toMatchObject({ node: two.node })
      // Without saying which, it is the one whose word the shares hold.
      rmSync(inMesh('void'))
      expect(await sign()).toMatchObject({ node: one.node })
    },
    DEADLINE_MS,
  )

  it(
    'KEY-1 names a share that was made up, where there are more than are needed',
    async () => {
      const owner = createIdentity(systemRandom)
      const split = await createOwnerRoot({ total: 5, threshold: 3 }, systemRandom)
      const adoption = Buffer.from(signAdoption(owner, split.root.id, Date.now())).toString('base64')
      const files = split.shares.map((share, i) => {
        const file = inMesh(`share-${i + 1}`)
        writeFileSync(
          file,
          `share ${i === 1 ? madeUp(share, (body) => (body[30]! ^= 1)) : share}\nadoption ${adoption}\n`,
        )
        return file
      })
      const [a, wrong, c, d] = files as [string, string, string, string]
      expect((await root('void', inMesh('void'), ...given(a, wrong, c))).error.code).toBe('keys/shares-wrong')
      const { stdout, stderr } = await askee([
        'keys',
        'root',
        'void',
        inMesh('void'),
        ...given(a, wrong, c, d),
      ])
      expect(stdout).toContain(owner.id)
      expect(stderr).toContain(`${wrong} was made up`)
    },
    DEADLINE_MS,
  )
})
