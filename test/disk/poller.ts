/** A thread that reads one file in a tight loop until it is told that it is enough, and counts what it saw (window.test.ts). */
import { readFileSync } from 'node:fs'
import { receiveMessageOnPort, workerData, parentPort } from 'node:worker_threads'
import { errnoOf } from '../../base/errors.ts'

const { file, bytes } = workerData as { readonly file: string; readonly bytes: number }
if (parentPort === null) throw new Error('no thread of a test')

let [looks, missing, mixed] = [0, 0, 0]
parentPort.postMessage('ready', [])
while (receiveMessageOnPort(parentPort) === undefined) {
  looks++
  try {
    const text = readFileSync(file, 'latin1')
    const first = text.slice(0, 1)
    if (text.length !== bytes || text.slice(0, bytes - 4) !== first.repeat(bytes - 4)) mixed++
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    missing++
  }
}
parentPort.postMessage({ looks, missing, mixed }, [])
