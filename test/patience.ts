/**
 * Loaded before each test file by the runner: a test may take this long unless it says otherwise. brittle's own half a minute is little
 * on a machine that has other work, and what hangs is ended all the same.
 */
import { configure } from 'brittle'

const TEST_TIMEOUT_MS = 150_000

configure({ timeout: TEST_TIMEOUT_MS })
