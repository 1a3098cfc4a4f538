// Runs the suite against a relay of this build, once per store. Everything but forks must pass: a relay has none.
// (Subscriptions are off in the suite unless asked for; a relay has none either.)
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"

const NOT_SUPPORTED = "^(?!.*Fork - )"
const LONG_POLL_MS = 500
const relay = process.env.TOWLINE_BIN
const folder = mkdtempSync(join(tmpdir(), "towline-conformance-"))

function config(store) {
  return `
listen = ["127.0.0.1:0"]
[[upstream]]
url = "http://127.0.0.1:9"
[store]
folder = ${JSON.stringify(store)}
[times]
long_poll = "${LONG_POLL_MS}ms"
[log]
level = "warn"
`
}

/** A relay with this store, and where it listens. */
async function start(store) {
  const file = join(folder, "relay.toml")
  writeFileSync(file, config(store))
  const child = spawn(relay, ["relay", "--config", file], { stdio: ["ignore", "pipe", "inherit"] })
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith("listening on http://")) return { child, url: line.slice("listening on ".length) }
  }
  throw new Error("the relay does not listen")
}

function ended(child) {
  return new Promise((resolve) => child.on("exit", (code) => resolve(code)))
}

let failed = false
for (const store of ["memory", join(folder, "store")]) {
  const { child, url } = await start(store)
  const suite = spawn("npx", ["vitest", "run", "--reporter=default", "-t", NOT_SUPPORTED], {
    cwd: import.meta.dirname,
    stdio: "inherit",
    env: { ...process.env, NO_COLOR: "1", CONFORMANCE_TEST_URL: `${url}/streams`, LONG_POLL_TIMEOUT_MS: String(LONG_POLL_MS) },
  })
  failed = (await ended(suite)) !== 0 || failed
  child.kill("SIGTERM")
  failed = (await ended(child)) !== 0 || failed
}
rmSync(folder, { recursive: true })
process.exit(failed ? 1 : 0)
