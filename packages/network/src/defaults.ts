/** Every number of this package, with its unit and reason. */

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const KIB = 1024
const MIB = 1024 * KIB

/** The house's own Kademlia: never mixed with that of others. kad-dht takes the whole string. */
export const DHT_PROTOCOL = '/askee/kad/1.0.0'
/** First part of every DHT key; picks our validator and selector. */
export const DHT_NAMESPACE = 'askee'
/** Streams that carry many small requests. */
export const REQUEST_PROTOCOL = '/askee/request/1'
/** Streams that carry large bodies, so that they do not delay small ones. */
export const BULK_PROTOCOL = '/askee/request-bulk/1'
/** Multicast name, so that other libp2p programs on the same network are not dialled. */
export const MDNS_SERVICE = '_askee._udp.local'

/** Connections kept at most: about 0.2 MB each; 60–100 is what a volunteer's router bears. */
export const MAX_CONNECTIONS = 80
/** Dials at once: more floods a home router's connection table. */
export const MAX_PARALLEL_DIALS = 20
/** Handshakes of strangers at once; each costs about 2 ms of one core. */
export const MAX_PENDING_INBOUND = 32
/** New connections a second from one address; the allow-list goes past it. */
export const INBOUND_PER_SECOND = 5
/** Below this many peers the node goes on dialling: one mesh degree of gossipsub (D = 6) and two to spare. */
export const MINIMUM_PEERS = 8
/** Addresses and peers are remembered two weeks: a holiday. libp2p forgets them after 1 h and 6 h. */
export const PEER_MEMORY_MS = 14 * DAY_MS
/** Peers written to disk at most, about 1 KiB each. */
export const MAX_REMEMBERED_PEERS = 2000
/** A burst of changes is written once. */
export const PEER_MEMORY_WRITE_DELAY_MS = 2 * SECOND_MS
/** The first write of a run: a node that dies young is to find its peers again. */
export const PEER_MEMORY_FIRST_DELAY_MS = 300

/** Any port on all interfaces; the port is remembered. */
export const DEFAULT_LISTEN = ['/ip4/0.0.0.0/tcp/0', '/ip6/::/tcp/0'] as const
/** Largest file of remembered peers, written or accepted. */
export const MAX_PEER_MEMORY_BYTES = 64 * MIB
/** Own records written there at most, the newest first: whoever put them puts them again. */
export const MAX_OWN_RECORDS_BYTES = 24 * MIB
/** Largest entry of a peer, kept and written: an honest one has some addresses and protocols, about 1 KiB. */
export const MAX_PEER_ENTRY_BYTES = 16 * KIB

/** How often missing peers are looked after. */
export const KEEPING_PERIOD_MS = 5 * SECOND_MS
/** First wait after a failed dial; doubles. */
export const REDIAL_BASE_MS = 2 * SECOND_MS
/** Longest wait: after a night offline a peer is found again within this time. */
export const REDIAL_MAX_MS = 10 * MINUTE_MS
/** Peers dialled in one round. */
export const REDIALS_PER_ROUND = 5
/** A dial, name resolution and handshake included. */
export const DIAL_TIMEOUT_MS = 10 * SECOND_MS
/** A wall clock this much ahead of the expected time means that the machine slept. */
export const SLEEP_GAP_MS = 20 * SECOND_MS
/** A connection that does not answer a ping within this time after waking is dead. */
export const WAKE_PING_TIMEOUT_MS = 5 * SECOND_MS
/** libp2p's own check of connections; its default of 10 s costs an idle laptop wake-ups. */
export const CONNECTION_PING_MS = MINUTE_MS

/** Self-queries of the DHT off: at the default (1 s, then 5 min) 294 dials became 2,014 connections. */
export const SELF_QUERY_MS = HOUR_MS
/** Nodes that hold a record, and bucket size (Kademlia's k). */
export const REPLICATION = 20
/** A DHT operation, all its messages included. */
export const DHT_TIMEOUT_MS = 20 * SECOND_MS
/** One DHT message: a peer that answers later is left out, so one dead peer costs a get this much at most. */
export const DHT_MESSAGE_TIMEOUT_MS = 3 * SECOND_MS
/** Records held for others: 4,096 of at most 8 KiB are 32 MiB. */
export const MAX_HELD_RECORDS = 4096
/** Of one owner: everything a node says of itself, many times over. */
export const MAX_RECORDS_PER_OWNER = 64
/** DHT messages of one peer: a lookup asks a peer two or three times. */
export const DHT_REQUESTS_PER_SECOND = 50
export const DHT_BURST = 500
/** Records put by one peer, each a signature check or three (0.1 ms each); a start puts all own ones again. */
export const DHT_PUTS_PER_SECOND = 5
export const DHT_PUT_BURST = 2 * MAX_RECORDS_PER_OWNER
/** A record that its owner did not renew within this time is dropped (kad-dht does so only on read). */
export const RECORD_LIFE_MS = 48 * HOUR_MS
/** Own records are put again at a random age between these: twice within their life, never all at once. */
export const REPUT_MIN_MS = 12 * HOUR_MS
export const REPUT_MAX_MS = 22 * HOUR_MS
/** How often records are swept and due ones put again. */
export const UPKEEP_PERIOD_MS = HOUR_MS
/** First upkeep after start: peers have been found by then. */
export const FIRST_UPKEEP_MS = 2 * MINUTE_MS

/** From call to answer, unless the caller says otherwise. */
export const REQUEST_TIMEOUT_MS = 10 * SECOND_MS
/** Longest deadline that a requester may ask of us. */
export const MAX_REQUEST_TIMEOUT_MS = 10 * MINUTE_MS
/** Largest accepted answer, unless the caller says otherwise. */
export const RESPONSE_BYTES = MIB
/** Largest frame on any stream; the sum of a body limit and the header. */
export const MAX_FRAME_BYTES = 64 * MIB + KIB
/** Bodies above this go over the bulk stream: a 64 KiB body delays others by 5 ms at 100 Mbit/s. */
export const BULK_BYTES = 64 * KIB
/** Unsent answers of one stream above which no more requests are read from it. */
export const WRITE_BACKLOG_BYTES = 2 * MIB
/** Requests of one stream answered at once, all protocols together. */
export const MAX_SERVED_AT_ONCE = 1024
/** Bytes of one peer's requests that are arriving or being answered; a single larger one is let in too. */
export const MAX_PEER_INFLOW_BYTES = 16 * MIB
/** The same of all peers: what a laptop can spare. */
export const MAX_INFLOW_BYTES = 256 * MIB
/** What every peer may hold even when others fill all that: else a few could shut everybody out. */
export const FAIR_INFLOW_BYTES = 2 * MIB
/** A frame that was begun must be whole within this time and what its bytes take on the slowest link. */
export const FRAME_TIMEOUT_MS = 20 * SECOND_MS
/** 128 kbit/s: below that nothing here works. */
export const SLOWEST_BYTES_PER_SECOND = 16 * KIB
/** Request streams that one connection may open: two kinds, and as many again while they are replaced. */
export const MAX_REQUEST_STREAMS = 4

/** Points at which a peer is disconnected and blocked. */
export const OFFENCE_LIMIT = 100
/** Points forgiven a second: 20 rate-limited requests, or one malformed frame in 5 s. */
export const OFFENCE_DECAY_PER_SECOND = 5
/** Four in short order are no accident. */
export const OFFENCE_MALFORMED = 30
/** An answer larger than agreed, or a block that is not what it claims. */
export const OFFENCE_LIE = 30
/** A request above the rate: about 400 at once, or 100 a second for ever, are a flood. */
export const OFFENCE_OVER_RATE = 0.25
/** A chunk asked for above the bytes: who waits 200 ms between tries, as we do, stays below what is forgiven. */
export const OFFENCE_OVER_BYTES = 0.05
/** A request for a protocol not spoken here, or larger than allowed: an old version asks a few times. */
export const OFFENCE_REFUSED = 2
/** How long a blocked peer stays out. */
export const BLOCK_MS = 10 * MINUTE_MS
/** Blocked peers remembered. */
export const MAX_BLOCKED_PEERS = 4096

/** Largest gossip message; larger bodies travel as blocks. */
export const MAX_GOSSIP_BYTES = 64 * KIB

/** Bytes of a block asked for at once. */
export const BLOCK_CHUNK_BYTES = MIB
/** Largest block. */
export const MAX_BLOCK_BYTES = 64 * MIB
/** Chunks of one block asked for at once. */
export const BLOCK_PIPELINE = 4
/** Chunks asked of one peer at once, all blocks together. */
export const BLOCKS_AT_ONCE = 8
/** One chunk: 1 MiB at 300 kbit/s, or the wait until the peer gives more. */
export const BLOCK_CHUNK_TIMEOUT_MS = 30 * SECOND_MS
/** One chunk of a provider that says each time that it is too much at once. */
export const BLOCK_PATIENCE_MS = 5 * MINUTE_MS
/** First wait after a provider said that it was too much; doubles. */
export const BLOCK_RETRY_MS = 200
export const BLOCK_RETRY_MAX_MS = 4 * SECOND_MS
/** Bytes of blocks a second that one peer is given, averaged: more than a volunteer's line carries. */
export const BLOCK_BYTES_PER_SECOND = 16 * MIB
/** Bytes of blocks that one peer is given at once above the average: four of the largest. */
export const BLOCK_BURST_BYTES = 256 * MIB
/** What a request costs besides the bytes it asks for: opening a file, sending a frame. */
export const BLOCK_REQUEST_COST_BYTES = 4 * KIB

/** Relay reservations for others; unlimited in data and time, because JavaScript nodes cannot punch holes. */
export const MAX_RELAY_RESERVATIONS = 64
