import { createHash } from 'node:crypto'
import type { TopicName, TopicRules } from '@askee/core'
import { type GossipsubOpts, gossipsub, StrictSign } from '@libp2p/gossipsub'
import { MAX_GOSSIP_BYTES } from './defaults.ts'
import { scoring } from './scoring.ts'

/** Room for author, sequence number, signature and topic around a message's body. */
const ENVELOPE_BYTES = 1024
const MESSAGE_ID_BYTES = 20

/** The gossipsub service, with every trap of its defaults closed. */
export function gossipService(topics: ReadonlyMap<TopicName, TopicRules>): ReturnType<typeof gossipsub> {
  return gossipsub({
    globalSignaturePolicy: StrictSign,
    // Without it every duplicate is verified before it is recognized: 2.5 times the CPU.
    fastMsgIdFn: (message) =>
      messageId(message.topic, message.from, message.seqno, message.data).toString('latin1'),
    // Explicit, because the defaults of js, go and rust differ.
    msgIdFn,
    allowedTopics: [...topics.keys()],
    asyncValidation: true,
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    fallbackToFloodsub: false,
    doPX: false,
    maxInboundDataLength: MAX_GOSSIP_BYTES + ENVELOPE_BYTES,
    ...scoring(topics),
  })
}

type Bytes = Uint8Array | undefined | null

/** sha256(topic ‖ from ‖ seqno ‖ data), first 20 bytes; `seqno` is 8 bytes, big endian. */
export function messageId(topic: string, from: Bytes, seqno: Bytes, data: Bytes): Buffer {
  const hash = createHash('sha256').update(topic)
  for (const part of [from, seqno, data]) if (part) hash.update(part)
  return hash.digest().subarray(0, MESSAGE_ID_BYTES)
}

const msgIdFn: NonNullable<GossipsubOpts['msgIdFn']> = (message) => {
  if (message.type !== 'signed') return messageId(message.topic, undefined, undefined, message.data)
  const seqno = Buffer.alloc(8)
  seqno.writeBigUInt64BE(message.sequenceNumber)
  return messageId(message.topic, message.from.toMultihash().bytes, seqno, message.data)
}
