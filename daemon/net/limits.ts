/** Bounds and intervals of the network, unit in the name, each with its reason. */

/** Devices of one person; a key record names each of them. */
export const MAX_DEVICES = 128
/** Records of a group over its life (net/fold.ts); thousands of removals fit. */
export const MAX_RECORDS = 50_000
/** Records of others that are verified without a pause: some 10 ms, and more than a change or most groups have. */
export const RECORDS_AT_ONCE = 64
/** Of one device over its life: a removal of it must have room to list them all. */
export const MAX_RECORDS_OF_AUTHOR = 4096
/** Named by one device over its life: each makes every other member say a key for newcomers. */
export const MAX_FOLDERS_OF_AUTHOR = 512
/** Of one device and folder with one generation number: one, and one more where a state was restored or a device cloned (R23). */
export const MAX_DRIVES_OF_GENERATION = 4
/** A removal lists the hashes of the removed device's records, 46 bytes each. */
export const MAX_RECORD_BYTES = 256 * 1024
/** All records together, in memory and in one file that is written as a whole. */
export const MAX_LOG_BYTES = 16 * 1024 * 1024
export const MAX_DEVICE_NAME_BYTES = 64
export const MAX_FOLDER_NAME_BYTES = 255
/** Host names are at most 253 bytes. */
export const MAX_HOST_BYTES = 253
/** Static and remembered addresses of one device. */
export const MAX_ADDRESSES = 8
/** Addresses tried before the DHT in one dial: each dead one costs seconds. */
export const MAX_DIALLED_ADDRESSES = 3
/** An address that does not answer within this is left out of a dial where there is a DHT to ask. */
export const PING_MS = 400

/** Invites alive at once; more is a mistake or a script gone wild. */
export const MAX_INVITES = 32
/** Pairing connections alive at once over all invites. */
export const MAX_PAIRING_CONNECTIONS = 32
/** A pairing connection that led to nothing. */
export const PAIRING_CONNECTION_MS = 60_000
/** Pause between dials of an inviter that does not answer. */
export const PAIRING_REDIAL_MS = 500
/** A dial that has not connected after this is given up and tried again. */
export const DIAL_TIMEOUT_MS = 15_000
/** A member that connects and never says hello. */
export const HELLO_TIMEOUT_MS = 30_000
/** For the last message to a removed device. */
export const DISMISS_MS = 1000
/** Others leave the first dial to a new member: it may not have taken in its group yet and would refuse them. */
export const NEW_MEMBER_GRACE_MS = 10_000
/** Members that are not connected are dialled again; Hyperswarm's own backoff ends at ten minutes. */
export const REDIAL_MS = 60_000
/** A clock that jumps by three of these means that the machine slept. */
export const WAKE_CHECK_MS = 10_000
/** After a change of the network a device is looked at so often for a sign of life, this long apart: room for a lost packet, and for one that stands still for a moment. */
export const SIGNS_LOOKED_FOR = 8
export const SIGN_LOOK_MS = 500
/** After a sleep the network may take a while to be there again. */
export const WAKE_KICKS_MS: readonly number[] = [5_000, 15_000]
/** The DHT library notices a sleep (of 15 s and more) within this; a connection that is younger was made since. */
export const WAKE_NOTICE_MS = 6_000
/** A silent connection says so this often: NATs forget UDP after 30 s and more, and a dead one is noticed by it. */
export const KEEP_ALIVE_MS = 10_000
/** The rhythm in which the DHT library makes room for requests (its own), and that of a node which has few on the way. */
export const DRAIN_MS = 750
export const DRAIN_IDLE_MS = 15_000
/** Of a window of 80. */
export const FEW_REQUESTS = 16
/** Nodes that announce this device are asked every 3 s times this, and the announcement is made anew after a hundred: NATs and the 20 minutes of an announcement leave room. */
export const ANNOUNCE_CHECK_FACTOR = 3

/** One message of ours; frames of the secret stream end at 16 MiB. */
export const MAX_MESSAGE_BYTES = 1024 * 1024
/** Control messages that wait to be handled on one connection; more is an attack. */
export const MAX_QUEUED_MESSAGES = 512
/** The same in bytes: a whole log twice over, or a whole answer about history. */
export const MAX_QUEUED_BYTES = 64 * 1024 * 1024
/**
 * What may wait to be sent on one connection. Bulk waits for room after each message, so that it is some messages of each channel; what does not
 * wait (records, twice where they are handed over, heads, small changes) is below half of this. More waits only for who asks and never reads.
 */
export const MAX_WAITING_BYTES = 64 * 1024 * 1024
/**
 * Where so much waits to be sent, what nobody asked for is offered in place of sent: a slow line falls behind by offers alone. A burst of some
 * small changes is below it.
 */
export const MAX_WAITING_PUSHES_BYTES = 256 * 1024
/** What a record takes of memory besides its bytes. */
export const RECORD_OBJECT_BYTES = 300
/** Records that show a device that it is no member any more: they are about nothing else. */
export const MAX_GOODBYE_RECORDS = 1024
/** Heads of one folder in one message: drives of all devices, two generations. */
export const MAX_HEADS = 1024
/** Blocked paths in one report. */
export const MAX_BLOCKED_PATHS = 256
/** Folders a peer may speak of. */
export const MAX_FOLDERS = 1024
/** Of what a peer said of folders of the group, in messages: all that matters of a thousand folders on a dozen devices is 2 MiB, and in memory it is some times more. */
export const MAX_SPOKEN_BYTES = 16 * 1024 * 1024
/** Of folders that this device does not know (yet): twice all that matters of a thousand of them, if their keys are late. */
export const MAX_UNKNOWN_BYTES = 4 * 1024 * 1024
/** What a row of these takes besides the messages. */
export const SPOKEN_ROW_BYTES = 300
/** Wants of one peer that wait to be answered; more are refused. */
export const MAX_QUEUED_WANTS = 16
/** Answers read ahead for one want: enough to hide the disk, little enough for memory. */
export const READ_AHEAD_BYTES = 4 * 1024 * 1024
export const MAX_READ_AHEAD = 32
/** One want answers at most this much, whatever it names. */
export const MAX_ANSWER_BYTES = 32 * 1024 * 1024
/** A want without any answer for so long is given up, unless the connection brought so many bytes meanwhile: an answer may be long, and the line slow. */
export const WANT_IDLE_MS = 60_000
export const WANT_IDLE_BYTES = 64 * 1024
/**
 * What a connection brings in each such time, or its wants are given up: by drops it would hold a place of each kind for hours. An answer counts
 * when all of it is there, and of 4 MiB that is after more than ten minutes where three devices share a line of 20 KB/s; so bytes count, and a
 * line of 2 KB/s brings twice as many.
 */
export const WANT_PACE_MS = 10 * 60_000
export const WANT_PACE_BYTES = 512 * 1024
/** However many bytes come beside. A want with all that is asked for before it, some 20 MiB, at a third of 20 KB/s; one of 4 MiB at 2 KB/s. */
export const WANT_TOTAL_MS = 60 * 60_000
/** Settle requests of one peer under way at once. */
export const MAX_SETTLES = 64
/** History requests of one peer under way at once. */
export const MAX_HISTORY_REQUESTS = 8
/** A version is at most a path, a link's target and a hundred bytes: this many stay below the size of a frame. */
export const MAX_VERSIONS_IN_MESSAGE = 1000
/** Versions that one request may bring, in memory of the asker. */
export const MAX_VERSIONS = 200_000
/** The same in messages: 335 bytes for each, which is a path of some 200. A device that has more counts as one that did not tell all. */
export const MAX_VERSIONS_BYTES = 64 * 1024 * 1024
/** A device that says nothing to a request for its history: it may be an older one. */
export const HISTORY_IDLE_MS = 10_000
/** A whole answer: a user waits for it. A slow line of 20 KB/s brings 12 MB in this, which is most histories. */
export const HISTORY_TOTAL_MS = 10 * 60_000
/** Questions for tree hashes of one peer under way at once; a search asks one at a time for each drive. */
export const MAX_PROBES = 1024
/** A device that says nothing to one: it may be an older one. */
export const PROBE_IDLE_MS = 10_000
/** Drives of which a peer may offer runs: those of all its folders, with room. */
export const MAX_OFFERS = 8192
/** Asks for runs of one peer that wait to be answered, one after the other; a peer asks for one of each drive. */
export const MAX_QUEUED_ASKS = 64
/** Runs that are asked for or taken in at once, over all drives: each is up to 16 MiB of memory. */
export const MAX_RUNS = 3
/** A device that offered a run and sends nothing of it, or no more: Hypercore's own replication goes on in its place. */
export const RUN_IDLE_MS = 5_000
/** So many times, one after the other, a busy device may be late with the runs of a drive; then it is not asked for them any more. */
export const MAX_LATE_RUNS = 3
/**
 * What a run brings in each such time, or it is late: one that trickles would hold its drive, and a place of MAX_RUNS, for minutes. A device
 * that keeps within RUN_IDLE_MS, with messages as full as they are (of two in turn more than MAX_MESSAGE_BYTES), brings twice as much.
 */
export const RUN_PACE_MS = 2 * RUN_IDLE_MS
export const RUN_PACE_BYTES = 512 * 1024
/** A whole run of 16 MiB; so long it takes over 140 KB/s. */
export const RUN_TOTAL_MS = 120_000
/** A run that a connection ends with after this was held back, or might have been. */
export const RUN_SLOW_MS = 15_000
/** A log that grew by no more than this is sent without being asked for: a small change, then, is there after one way. */
export const PUSH_BLOCKS = 16
export const PUSH_BYTES = 64 * 1024
/** A Hypercore signature: one of 64 bytes, and who of the signers made it. */
export const MAX_SIGNATURE_BYTES = 1024
/** A Hypercore manifest of one signer: about 100 bytes. */
export const MAX_SIGNER_BYTES = 1024
/** Session ids remembered for each device, to tell a clone from a restart, and signs of life for which one connection may ask (R30). */
export const MAX_SESSIONS = 16
/** Waiting for the DHT to take back announcements at an orderly stop. */
export const CLOSE_NETWORK_MS = 1500
/** A TCP connection on a LAN stands in milliseconds; one that a firewall drops is given up after this. */
export const BULK_CONNECT_MS = 3_000
/** A TCP connection on which nothing is said says so this often; firewalls forget idle ones after minutes. */
export const BULK_KEEP_ALIVE_MS = 10_000
/** One that does not even say that is dead, and bytes go over the link. */
export const BULK_SILENCE_MS = 30_000
/** A TCP connection that ended is tried again after this. */
export const BULK_REDIAL_MS = 60_000
/** The first frame on one: a Noise message of 96 bytes. The stack would take up to 16 MiB from anybody before it knows who it is. */
export const MAX_FIRST_FRAME_BYTES = 1024
/** Incoming TCP connections: members, and strangers that are still proving nothing. */
export const MAX_BULK_CONNECTIONS = 256
