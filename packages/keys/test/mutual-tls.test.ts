import { connect, createServer, type TLSSocket } from 'node:tls'
import { systemRandom as random } from '@askee/core'
import { eventually } from '@askee/core/testing'
import { describe, expect, it } from 'vitest'
import { identityToPem, listToPem, toPem } from '../src/authority/index.ts'
import { x509 } from '../src/authority/library.ts'
import { createIdentity, type Identity } from '../src/index.ts'
import { type House, house } from './support/house.ts'

describe('mutual TLS', () => {
  /** What both ends say of each other, or why there is no connection. */
  async function handshake(
    server: House,
    serverNode: Identity,
    client: House,
    clientNode: Identity,
    crl: Uint8Array[],
  ): Promise<string> {
    const end = async (at: House, node: Identity) => ({
      key: identityToPem(node),
      cert: toPem(await at.issue(node), at.intermediate),
    })
    const subject = (socket: TLSSocket): string => socket.getPeerCertificate().subjectaltname ?? ''
    const listening = createServer({
      ...(await end(server, serverNode)),
      ca: toPem(server.root),
      crl: crl.map(listToPem),
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    })
    let seen = 'nothing'
    listening.on('secureConnection', (socket) => {
      seen = socket.authorized ? subject(socket) : String(socket.authorizationError)
      socket.end('hello')
    })
    await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
    const { port } = listening.address() as { port: number }
    const socket = connect({
      host: '127.0.0.1',
      port,
      ...(await end(client, clientNode)),
      ca: toPem(client.root),
      checkServerIdentity: (_, { subjectaltname }) =>
        subjectaltname?.includes(serverNode.id) ? undefined : new Error('another node'),
    })
    socket.on('error', () => undefined)
    socket.resume()
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
    await eventually(() => seen !== 'nothing')
    listening.close()
    return seen
  }

  it('KEY-3 two nodes of one house know each other; a stranger and a revoked node are named as such', async () => {
    const at = await house()
    const [server, client] = [createIdentity(random), createIdentity(random)]
    const lists = async (): Promise<Uint8Array[]> => Object.values((await at.trust()).lists)
    expect(await handshake(at, server, at, client, await lists())).toContain(`askee:node:${client.id}`)
    const other = await house()
    const stranger: House = { ...other, root: at.root }
    expect(await handshake(at, server, stranger, client, await lists())).toMatch(
      /^[A-Z_]*(FAILURE|UNABLE)[A-Z_]*$/,
    )
    const certificate = await at.issue(client)
    const again: House = { ...at, issue: async () => certificate }
    expect(await handshake(at, server, again, client, await lists())).toContain(`askee:node:${client.id}`)
    await at.authority.revoke(
      new x509.X509Certificate(Uint8Array.from(certificate)).serialNumber,
      'withdrawn',
    )
    expect(await handshake(at, server, again, client, await lists())).toBe('CERT_REVOKED')
  })
})
