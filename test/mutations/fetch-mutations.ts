/** Planted bugs of what a device fetches, before and after it is stated: see mutations.ts. */
import { by, type Mutation } from './mutation.ts'

export const FETCH_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'a device is asked again for what it was asked for',
    file: 'daemon/folder/fetch-groups.ts',
    find: '!group.asked.has(device) && group.ids',
    replace: 'group.ids',
    caughtBy: [by('folder/fetch-groups', 'a device gets the first group that nobody owes, else one that the fewest owe, and none twice')]
  },
  {
    bug: 'what was foretold and never stated is kept for ever',
    file: 'daemon/folder/foretold.ts',
    find: 'for (const cid of overdue(context))',
    replace: 'for (const cid of [])',
    caughtBy: [by('folder/foretold', 'the device that foretold it goes before it has stated it: nothing is kept')]
  },
  {
    bug: 'what is foretold is bounded by nothing',
    file: 'daemon/folder/foretold.ts',
    find: 'Math.max(0, old.length - MAX_UNNAMED)',
    replace: '0',
    caughtBy: [by('folder/foretold', 'a device that foretells ever other contents, and is never read to the end of what it claims, keeps little here')]
  },
  {
    bug: 'blocks are stated that may never be written',
    file: 'daemon/drive/own.ts',
    find: 'await written;\n            await batch.flush();',
    replace: 'await batch.flush();',
    caughtBy: [by('drive/own', 'nothing is stated whose blocks could not be written')]
  }
]
