// A scripted model server, relays, a network that can be cut, and a browser.
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import http from "node:http"
import net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { chromium } from "playwright-core"

export const TOWLINE = process.env.TOWLINE_BIN ?? join(import.meta.dirname, "../../target/debug/towline")
const folder = mkdtempSync(join(tmpdir(), "towline-page-"))
const stops = []

/** Called once all tests have run. */
export async function stopAll() {
  for (const stop of stops.reverse()) await stop()
  rmSync(folder, { recursive: true, force: true })
}

/** Values in the order of their arrival. */
class Arrivals {
  #come = []
  #awaited = []
  push(one) {
    const waiting = this.#awaited.shift()
    if (waiting) waiting(one)
    else this.#come.push(one)
  }
  next() {
    if (this.#come.length > 0) return Promise.resolve(this.#come.shift())
    return new Promise((resolve) => this.#awaited.push(resolve))
  }
}

/** An answer of a model server, sent record by record. */
class Answering {
  constructor(body, response) {
    this.body = body
    this.response = response
    response.writeHead(200, { "Content-Type": "application/x-ndjson" })
  }
  record(record) {
    this.response.write(JSON.stringify({ model: this.body.model, ...record }) + "\n")
  }
  say(content) {
    this.record({ message: { role: "assistant", content }, done: false })
  }
  think(thinking) {
    this.record({ message: { role: "assistant", content: "", thinking }, done: false })
  }
  finish(text) {
    if (text !== undefined) this.say(text)
    this.record({ message: { role: "assistant", content: "" }, done: true, done_reason: "stop", eval_count: 3, eval_duration: 1e8 })
    this.response.end()
  }
  /** Ends without the terminal record. */
  cut() {
    this.response.end()
  }
}

/** A model server; its `asked.next()` is the next question. */
export async function startModel() {
  const asked = new Arrivals()
  const server = http.createServer((request, response) => {
    const json = (value) => response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value))
    if (request.url === "/api/tags") return json({ models: [{ name: "small", model: "small" }, { name: "large", model: "large" }] })
    if (request.url === "/v1/models") return json({ object: "list", data: [{ id: "small" }, { id: "large" }] })
    if (request.method !== "POST") return response.writeHead(200, { "Content-Type": "text/plain" }).end("Ollama is running")
    let body = ""
    request.on("data", (piece) => (body += piece))
    request.on("end", () => asked.push(new Answering(JSON.parse(body), response)))
  })
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
  stops.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, url: `http://127.0.0.1:${server.address().port}` }
}

let count = 0

/** A relay in its own process, with its store on disk. `more` is added to its configuration. */
export async function startRelay(model, more = "") {
  const own = join(folder, `relay-${count++}`)
  const file = `${own}.toml`
  const relay = { child: undefined, url: "", port: 0 }
  relay.start = async () => {
    const config = `
listen = ["127.0.0.1:${relay.port}"]
${more}
[[upstream]]
name = "box"
url = "${model.url}"
[store]
folder = ${JSON.stringify(own)}
fsync = "never"
[log]
level = "error"
`
    writeFileSync(file, config)
    relay.child = spawn(TOWLINE, ["relay", "--config", file], { stdio: ["ignore", "pipe", "inherit"] })
    relay.ended = new Promise((resolve) => relay.child.once("exit", resolve))
    for await (const line of createInterface(relay.child.stdout)) {
      if (!line.startsWith("listening on http")) continue
      relay.url = line.slice("listening on ".length)
      relay.port = new URL(relay.url).port
      return
    }
    throw new Error("the relay does not listen")
  }
  relay.kill = async (signal = "SIGKILL") => {
    relay.child?.kill(signal)
    await relay.ended
  }
  /** Asks a detached question; returns the answer's id. */
  relay.ask = async (question, { headers = {}, ...body } = {}) => {
    const response = await fetch(`${relay.url}/api/chat`, {
      method: "POST",
      headers: { "Towline-Detach": "true", ...headers },
      body: JSON.stringify({ model: "small", messages: [{ role: "user", content: question }], ...body }),
    })
    if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`)
    return (await response.json()).id
  }
  relay.job = async (id, headers = {}) => (await fetch(`${relay.url}/towline/v1/jobs/${id}?wait=30`, { headers })).json()
  stops.push(() => relay.kill())
  await relay.start()
  return relay
}

/** The user's own relay, in a separate folder, and the program's output for these arguments. */
export function ownPlace(model) {
  const place = mkdtempSync(join(folder, "own-"))
  const env = { HOME: place, PATH: process.env.PATH, XDG_CONFIG_HOME: place, XDG_RUNTIME_DIR: place, XDG_STATE_HOME: place }
  mkdirSync(join(place, "towline"), { mode: 0o700 })
  writeFileSync(join(place, "towline", "relay.toml"), `[[upstream]]\nname = "box"\nurl = "${model.url}"\n`)
  const run = (...words) =>
    new Promise((resolve, reject) => {
      const child = spawn(TOWLINE, words, { env, stdio: ["ignore", "pipe", "inherit"] })
      let said = ""
      child.stdout.on("data", (piece) => (said += piece))
      child.on("exit", (code) => (code === 0 ? resolve(said.trim()) : reject(new Error(`${words.join(" ")}: ${code}`))))
    })
  stops.push(() => run("relay", "stop"))
  return { run, folder: place, env }
}

/** A proxy to a relay that can be cut and restored. */
export async function startNetwork(relay) {
  const open = new Set()
  let isCut = false
  const server = net.createServer((client) => {
    if (isCut) return client.destroy()
    const upstream = net.connect(relay.port, "127.0.0.1")
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      open.add(one)
      one.on("error", () => {}).on("close", () => {
        open.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
  })
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))
  stops.push(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut() {
      isCut = true
      for (const socket of open) socket.destroy()
    },
    mend: () => (isCut = false),
  }
}

const CHROMIUM = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync)
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 }
export const SMALL_PHONE = { ...PHONE, viewport: { width: 320, height: 568 } }

export async function startBrowser() {
  // The browser's sandbox does not work for root, as in containers.
  const args = ["--disable-dev-shm-usage", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])]
  const browser = await chromium.launch({ executablePath: CHROMIUM, args })
  stops.push(() => browser.close())
  return browser
}
