// Runs the suite against a relay of this build, once per store, and against three relays that share a Redis behind nginx. All tests
// must pass except those of forks, which a relay does not support.
// (Subscriptions are off in the suite by default; a relay does not support them either.)
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createServer } from "node:net"
import { createInterface } from "node:readline"

const NOT_SUPPORTED = "^(?!.*Fork - )"
const LONG_POLL_MS = 500
const relay = process.env.TOWLINE_BIN
const folder = mkdtempSync(join(tmpdir(), "towline-conformance-"))

function config(place) {
  return `
listen = ["127.0.0.1:0"]
[[upstream]]
url = "http://127.0.0.1:9"
[store]
folder = ${JSON.stringify(place)}
[times]
long_poll = "${LONG_POLL_MS}ms"
[log]
level = "warn"
`
}

/** A relay with this store, and its address. */
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

/** A port that is free at the moment. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Asks until it answers. */
async function there(url) {
  for (;;) {
    const answered = await fetch(url).catch(() => undefined)
    if (answered) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Three relays on a separate Redis, behind an nginx that sends each request to the next relay. */
async function startThree() {
  const port = await freePort()
  const redis = spawn("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--dir", folder], { stdio: ["ignore", "pipe", "inherit"] })
  for await (const line of createInterface(redis.stdout)) {
    if (line.includes("eady to accept connections")) break
  }
  redis.stdout.resume()
  const relays = []
  for (let nth = 0; nth < 3; nth++) relays.push(await start(`redis://127.0.0.1:${port}`))
  const front = await freePort()
  const file = join(folder, "nginx.conf")
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${folder}/${kind};`)
  writeFileSync(file, `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  ${temporary.join("\n  ")}
  upstream relays { ${relays.map(({ url }) => `server ${new URL(url).host};`).join(" ")} }
  server {
    listen 127.0.0.1:${front};
    location / {
      proxy_pass http://relays;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_buffering off;
      proxy_request_buffering off;
      client_max_body_size 64m;
    }
  }
}
`)
  const nginx = spawn("nginx", ["-p", folder, "-c", file], { stdio: "inherit", env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } })
  const url = `http://127.0.0.1:${front}`
  await there(`${url}/healthz`)
  return { url, children: [nginx, ...relays.map(({ child }) => child), redis] }
}

async function startOne(store) {
  const { child, url } = await start(store)
  return { url, children: [child] }
}

let failed = false
for (const begin of [() => startOne("memory"), () => startOne(join(folder, "store")), startThree]) {
  const { children, url } = await begin()
  const suite = spawn("npx", ["vitest", "run", "--reporter=default", "-t", NOT_SUPPORTED], {
    cwd: import.meta.dirname,
    stdio: "inherit",
    env: { ...process.env, NO_COLOR: "1", CONFORMANCE_TEST_URL: `${url}/streams`, LONG_POLL_TIMEOUT_MS: String(LONG_POLL_MS) },
  })
  failed = (await ended(suite)) !== 0 || failed
  for (const child of children) {
    child.kill("SIGTERM")
    failed = (await ended(child)) !== 0 || failed
  }
}
rmSync(folder, { recursive: true })
process.exit(failed ? 1 : 0)
