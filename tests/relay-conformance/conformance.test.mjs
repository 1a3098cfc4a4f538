// The suite's own command line finds no tests with this version of vitest, so its API is called from here.
import { runConformanceTests } from "@durable-streams/server-conformance-tests"

runConformanceTests({
  baseUrl: process.env.CONFORMANCE_TEST_URL,
  longPollTimeoutMs: Number(process.env.LONG_POLL_TIMEOUT_MS ?? 20_000),
  subscriptions: false,
})
