/** The disk's contract, on the fake and on the real one. */
import { fakeDiskBench, realDiskBench } from './disk-bench.ts'
import { diskContract } from './disk.ts'

diskContract('fake', fakeDiskBench)
diskContract('real', realDiskBench)
