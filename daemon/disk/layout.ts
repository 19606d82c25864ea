/**
 * What stands in a folder's own directory. Everything temporary has its name here and nowhere else in the tree.
 *
 *     .p2psync/marker.json                     whose folder this is (marker.ts)
 *     .p2psync/staging/fetch/<cid>             contents being put together (stage.ts)
 *     .p2psync/staging/swap/<kind>~<id>~<n>    what is about to be exchanged, or has just come out (swap-name.ts, recover.ts)
 *     .p2psync/staging/modes/<n>.json          directories made writable for the time of a batch (modes.ts)
 *     .p2psync/staging/aside/<batch>/<n>       whole directories on their way out (set-aside.ts, put-back.ts); `note.json` says from where
 *     .p2psync/history/<UTC hour>/<n>-<name>   what a sync displaced (history.ts)
 *     .p2psync/history/<UTC hour>.paths        where that stood, written down before (history-notes.ts)
 */
import { RESERVED_NAME } from '../sync/path.ts'

export const OWN_DIR = RESERVED_NAME
export const MARKER_NAME = 'marker.json'
export const FETCH_DIR = `${OWN_DIR}/staging/fetch`
export const SWAP_DIR = `${OWN_DIR}/staging/swap`
export const MODES_DIR = `${OWN_DIR}/staging/modes`
export const ASIDE_DIR = `${OWN_DIR}/staging/aside`
export const ASIDE_NOTE = 'note.json'
export const HISTORY_DIR = `${OWN_DIR}/history`

/** Others on the machine may read less of what was displaced than they could where it stood. */
export const OWN_DIR_MODE = 0o700
