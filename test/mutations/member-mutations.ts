/** Planted bugs of what a member that means harm may cost the others: see mutations.ts. */
import { by, type Mutation } from './mutation.ts'

export const MEMBER_MUTATIONS: readonly Mutation[] = [
  {
    bug: 'a header may name any number of pages, whatever the size of its content',
    file: 'daemon/sync/content.ts',
    find: ' || count > maxPages(',
    replace: ' || 0 > maxPages(',
    caughtBy: [by('sync/content', 'a header names no more pages than a content of its size can have'), by('folder/fetch-list', 'a page is not even asked for where a header names more of them than its size can have')]
  },
  {
    bug: 'a list may have as many chunks as the disk has room for',
    file: 'daemon/sync/content.ts',
    find: 'Math.min(Math.ceil(size / minChunk), MAX_CONTENT_CHUNKS)',
    replace: 'Math.ceil(size / minChunk)',
    caughtBy: [by('sync/content', 'a header names no more pages than any content can have, and no larger file is published')]
  },
  {
    bug: 'a file is published that no other device would take',
    file: 'daemon/disk/stable-read.ts',
    find: 'if (isTooLarge(Number(before.size)))',
    replace: 'if (false)',
    caughtBy: [by('disk/scan', 'a file that others could not take is a problem, and is not read')]
  },
  {
    bug: 'a chunk is written to the millions of places that a member made up for it at once',
    file: 'daemon/folder/fetch-large.ts',
    find: 'const OFFSETS_AT_ONCE = 64',
    replace: 'const OFFSETS_AT_ONCE = 1e9',
    caughtBy: [by('folder/fetch-list', 'a chunk that belongs in very many places is written to a few of them at a time, and to all before the end')]
  },
  {
    bug: 'all chunks of a content are gone through before it is known whether there is room for it',
    file: 'daemon/disk/stage.ts',
    find: `await this.#admit(list.size);
            return allChunks(list);`,
    replace: `const all = allChunks(list);
            await this.#admit(list.size);
            return all;`,
    caughtBy: [by('disk/foresee', 'a content without room is refused before its chunks are gone through')]
  },
  {
    bug: 'staging is listed for each content that a member names',
    file: 'daemon/disk/stage.ts',
    find: 'this.#listed = true',
    replace: 'this.#listed = false',
    caughtBy: [by('disk/foresee', 'what stands in staging is listed once, before the first content is foreseen')]
  },
  {
    bug: 'a large content may be listed with the small chunks of the other class',
    file: 'daemon/sync/content.ts',
    find: 'sizeClass !== sizeClassOf(Number(size)) || ',
    replace: '',
    caughtBy: [by('sync/content', 'a header of another class than that of its size is none')]
  },
  {
    bug: 'a list may have more bytes than its content',
    file: 'daemon/sync/content.ts',
    find: 'this.#size > this.#header.size || ',
    replace: '',
    caughtBy: [by('sync/content', 'pages are those of a list: full but for the last, of chunks that the cutter makes, and as long as the content')]
  },
  {
    bug: 'a list may have chunks of a byte',
    file: 'daemon/sync/content.ts',
    find: ' || (chunk.length < this.#minChunk && !isEnd)',
    replace: '',
    caughtBy: [by('folder/fetch-list', 'a list of chunks that no cutter makes, or of pages that are not full, is none')]
  },
  {
    bug: 'pages in the middle of a list need not be full',
    file: 'daemon/sync/content.ts',
    find: 'if (!isLast && page.length !== PAGE_CHUNKS)',
    replace: 'if (false)',
    caughtBy: [by('folder/fetch-list', 'a list of chunks that no cutter makes, or of pages that are not full, is none')]
  },
  {
    bug: 'a list may end before its content does',
    file: 'daemon/folder/fetch-large.ts',
    find: 'reader.isWhole ? reader.chunks : null',
    replace: 'reader.chunks',
    caughtBy: [by('folder/fetch-list', 'a list of chunks that no cutter makes, or of pages that are not full, is none')]
  },
  {
    bug: 'a long list holds up everything else while it is put together',
    file: 'daemon/folder/fetch-large.ts',
    find: 'await new Promise((resolve) => setImmediate(resolve));',
    replace: ';',
    caughtBy: [by('folder/fetch-list', 'a list of many pages, the same one several times, is put together, and others get their turns meanwhile')]
  },
  {
    bug: 'the list of a content is asked for however little room the disk has',
    file: 'daemon/folder/fetch-large.ts',
    find: 'await this.#sources.ports.disk.foresee?.(job.cid, job.size);',
    replace: ';',
    caughtBy: [by('folder/fetch-list', 'nobody is asked for the list of a content for which the disk has no room')]
  },
  {
    bug: 'what is foreseen takes room of the disk',
    file: 'daemon/disk/free-space.ts',
    find: `async foresee(needs, pending) {
        await this.#look(needs, pending);`,
    replace: `async foresee(needs, pending) {
        await this.#look(needs, pending);
        this.#free -= needs;`,
    caughtBy: [by('disk/free-space', 'what is foreseen takes nothing of the room')]
  },
  {
    bug: 'what a member says of folders that there are not is kept without end',
    file: 'daemon/net/spoken.ts',
    find: 'this.#trim();',
    replace: ';',
    caughtBy: [by('net/spoken', 'of folders that this device does not know little is kept, the newest')]
  },
  {
    bug: 'what was said of a folder before its key came goes with what is made up',
    file: 'daemon/net/spoken.ts',
    find: `if (this.#isKnown(folder))
                this.#bytes += bytesOf(row);
            else
                this.#rows.delete(folder);`,
    replace: 'this.#rows.delete(folder);',
    caughtBy: [by('net/spoken', 'what was said of a folder before this device knew it is kept once it does')]
  },
  {
    bug: 'nothing is kept of a folder that this device does not know yet',
    file: 'daemon/net/spoken.ts',
    find: 'this.#unknownBytes <= MAX_UNKNOWN_BYTES',
    replace: 'this.#unknownBytes <= 0',
    caughtBy: [by('net/spoken', 'a device is heard of folders that it made while it was away')]
  },
  {
    bug: 'reports are as long as a member likes, of every folder there is',
    file: 'daemon/net/spoken.ts',
    find: 'if (this.#bytes > MAX_SPOKEN_BYTES && ',
    replace: 'if (false && ',
    caughtBy: [by('net/spoken', 'reports of folders of the group are kept without their lists where they are too long together')]
  },
  {
    bug: 'long reports of an honest member leave no room for its heads, and end its connection',
    file: 'daemon/net/spoken.ts',
    find: 'this.#makeRoom();',
    replace: ';',
    caughtBy: [by('net/spoken', 'reports of folders of the group give way to heads, and heads alone end the connection')]
  },
  {
    bug: 'heads are as many as a member likes, of every folder there is',
    file: 'daemon/net/spoken.ts',
    find: `if (this.#bytes > MAX_SPOKEN_BYTES)
            throw`,
    replace: `if (false)
            throw`,
    caughtBy: [by('net/spoken', 'reports of folders of the group give way to heads, and heads alone end the connection')]
  },
  {
    bug: 'a device that does not keep up is sent bytes ahead until too much waits for it',
    file: 'daemon/net/runs.ts',
    find: 'if (!link.isBehind && ',
    replace: 'if (',
    caughtBy: [by('net/runs', 'runs: a device that does not keep up is sent nothing unasked, and catches up by what it is offered')]
  },
  {
    bug: 'a small change is pushed to a device that does not keep up',
    file: 'daemon/net/runs.ts',
    find: 'run !== null && !link.isBehind && ',
    replace: 'run !== null && ',
    caughtBy: [by('net/runs', 'runs: a device that does not keep up is sent nothing unasked, and catches up by what it is offered')]
  },
  {
    bug: 'a small part of a message holds on to all of it',
    file: 'base/kept-view.ts',
    find: 'Buffer.from(view)',
    replace: 'view',
    caughtBy: [by('base/kept-view', 'a small part of a message is kept as a copy, most of it as it is')]
  },
  {
    bug: 'the blocks of a run hold on to what was sent along with them',
    file: 'daemon/net/run-lane.ts',
    find: 'pending.blocks.push(keptView(block))',
    replace: 'pending.blocks.push(block)',
    caughtBy: [by('net/run-pace', 'what is kept of a run are its blocks, and not what was sent along with them')]
  },
  {
    bug: 'the pages of a list hold on to the frames they came in',
    file: 'daemon/folder/fetch-large.ts',
    find: 'got.set(id, keptView(data))',
    replace: 'got.set(id, data)',
    caughtBy: [by('folder/fetch-list', 'a page is kept without the frame it came in, and so is a chunk until it is written')]
  },
  {
    bug: 'a chunk that waits for the disk holds on to whatever was sent along with it',
    file: 'daemon/folder/fetch-large.ts',
    find: 'keptView(data, FULL_MESSAGE_BYTES)',
    replace: 'data',
    caughtBy: [by('folder/fetch-list', 'a page is kept without the frame it came in, and so is a chunk until it is written')]
  },
  {
    bug: 'a tiny file that came ahead holds on to whatever was sent along with it',
    file: 'daemon/folder/recent-chunks.ts',
    find: 'keptView(data)',
    replace: 'data',
    caughtBy: [by('folder/recent-chunks', 'a chunk is kept without the message it came in')]
  },
  {
    bug: 'what a member is answered piles up for as long as it does not read',
    file: 'daemon/net/channel.ts',
    find: 'this.#overflow();',
    replace: ';',
    caughtBy: [by('net/channel', 'over UDX a peer that never reads is let go once too much waits for it, and not before'), by('net/channel', 'over TCP a peer that never reads is let go once too much waits for it, and not before')]
  },
  {
    bug: 'each statement of another device that is not valid is kept by name',
    file: 'daemon/folder/misstated.ts',
    find: 'drive.told.size < MAX_TOLD || ',
    replace: 'true || ',
    caughtBy: [by('folder/evil', 'a device that states what is not valid, again and again, is told of briefly')]
  },
  {
    bug: 'what a drive stated and is not valid is told for ever',
    file: 'daemon/folder/misstated.ts',
    find: 'this.#drives.delete(key);',
    replace: ';',
    caughtBy: [by('folder/misstated', 'what a drive stated that does not count any more is forgotten')]
  },
  {
    bug: 'a device that answers by drops holds those who ask it',
    file: 'daemon/net/chunk-client.ts',
    find: 'this.#heard() - before < WANT_PACE_BYTES',
    replace: 'false',
    caughtBy: [by('net/want-pace', 'a device that answers one small object a minute is given up, with whatever bytes beside them')]
  },
  {
    bug: 'an honest device on a very slow line answers by drops',
    file: 'daemon/net/chunk-client.ts',
    find: 'this.#heard() - before < WANT_PACE_BYTES',
    replace: 'this.#heard() - before < 4 * WANT_PACE_BYTES',
    caughtBy: [by('net/want-pace', 'over a slow line all that is asked for at once comes, the largest objects too')]
  },
  {
    bug: 'a want that others overtake for ever never ends',
    file: 'daemon/net/chunk-client.ts',
    find: 'this.#clock.after(WANT_TOTAL_MS',
    replace: 'this.#clock.after(100 * WANT_TOTAL_MS',
    caughtBy: [by('net/want-pace', 'a device that keeps the pace and never comes to an end is given up')]
  },
  {
    bug: 'over a slow line an answer of more than a minute is given up',
    file: 'daemon/net/chunk-client.ts',
    find: 'this.#heard() - before < WANT_IDLE_BYTES',
    replace: 'true',
    caughtBy: [by('net/want-pace', 'over a slow line all that is asked for at once comes, the largest objects too')]
  },
  {
    bug: 'an answer about history has any number of bytes',
    file: 'daemon/net/history.ts',
    find: ' || question.bytes > MAX_VERSIONS_BYTES',
    replace: '',
    caughtBy: [by('net/evil-history', 'an answer about history that is too long is none')]
  },
  {
    bug: 'a part of a history is told as all of it',
    file: 'daemon/net/history.ts',
    find: 'question.versions.length === MAX_VERSIONS',
    replace: 'false',
    caughtBy: [by('net/evil-history', 'a device with more versions than can be listed does not tell a part of them as all')]
  },
  {
    bug: 'an answer about history may take for ever',
    file: 'daemon/net/history.ts',
    find: 'this.#clock.after(HISTORY_TOTAL_MS',
    replace: 'this.#clock.after(100 * HISTORY_TOTAL_MS',
    caughtBy: [by('net/evil-history', 'an answer about history that does not come to its end is given up')]
  },
  {
    bug: 'a content of any size seems to have room on the disk',
    file: 'daemon/disk/stage.ts',
    find: 'if (!this.#present.has(cid))',
    replace: 'if (false)',
    caughtBy: [by('disk/foresee', 'a content larger than the disk is refused by its size alone, one that fits or has begun is not')]
  },
  {
    bug: 'a content that is in staging for the most part is refused by its whole size',
    file: 'daemon/disk/stage.ts',
    find: 'if (!this.#present.has(cid))',
    replace: 'if (true)',
    caughtBy: [by('disk/foresee', 'a content larger than the disk is refused by its size alone, one that fits or has begun is not')]
  }
]
