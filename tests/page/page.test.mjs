import assert from "node:assert/strict"
import { readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { after, before, test } from "node:test"
import tls from "node:tls"
import jsqr from "jsqr"
import { ownPlace, PHONE, SMALL_PHONE, startBrowser, startModel, startNetwork, startRelay, stopAll } from "./harness.mjs"

let browser, model, relay

before(async () => {
  model = await startModel()
  ;[browser, relay] = await Promise.all([startBrowser(), startRelay(model)])
})
after(stopAll)

/** A new page; an error of its scripts fails the test. */
async function open(t, url, options = {}) {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  const page = await context.newPage()
  const complaints = []
  page.on("pageerror", (error) => complaints.push(String(error)))
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|net::ERR_|TrustedHTML|Blocked script execution/.test(message.text())) complaints.push(message.text())
  })
  t.after(() => assert.deepEqual(complaints, []))
  await page.goto(url)
  return page
}

const paper = (page) => page.locator(".paper")
const button = (page, name) => page.locator("article").getByRole("button", { name, exact: true })
/** Waits until the answer's text is exactly this. */
const reads = (page, text) => page.waitForFunction((text) => document.querySelector(".paper")?.textContent === text, text)
const said = (page, text) => page.locator(".ending", { hasText: text }).waitFor()

/** Hides the page from its user, or shows it. */
async function hide(page, hidden) {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true })
    document.dispatchEvent(new Event("visibilitychange"))
  }, hidden)
}

test("an answer is listed, read as it arrives, and ends in words", async (t) => {
  const page = await open(t, relay.url)
  const id = await relay.ask("What is a towline?")
  const answering = await model.asked.next()
  const row = page.locator(`a[href="#/answer/${id}"]`)
  await row.waitFor()
  assert.match(await page.locator("section", { has: row }).locator("h2").textContent(), /Running/)
  await row.click()
  answering.think("Ropes.")
  answering.say("# Rope\n\nA **tow")
  await page.locator(".paper strong, .paper p").first().waitFor()
  answering.say("line** pulls.\n\n```sh\nls -l\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n1. one\n2. two\n   - deep\n")
  answering.finish("\n> said\n")
  await said(page, "The answer is complete.")
  await page.locator(".paper blockquote").waitFor()
  assert.deepEqual(
    await paper(page).evaluate((paper) => [...paper.querySelectorAll(".part > *")].map((child) => child.tagName)),
    ["H3", "P", "DIV", "DIV", "OL", "BLOCKQUOTE"],
  )
  assert.equal(await page.locator(".paper strong").textContent(), "towline")
  assert.equal(await page.locator(".paper .code code").textContent(), "ls -l\n")
  assert.equal(await page.locator(".paper td.end").textContent(), "2")
  assert.equal(await page.locator(".paper ol ul li").textContent(), "deep")
  assert.equal(await page.locator(".thought").textContent(), "Ropes.")
  assert.equal(await page.locator("details.thinking").getAttribute("open"), null)
  assert.match(await page.locator("article .facts").textContent(), /small@box · 3 tokens/)
  await page.locator("section", { hasText: "Today" }).locator(`a[href="#/answer/${id}"]`).waitFor()
})

test("an answer is stopped, paused, given time, renamed, asked again and forgotten", async (t) => {
  const page = await open(t, relay.url)
  const id = await relay.ask("Count.")
  const answering = await model.asked.next()
  answering.say("one ")
  await page.goto(`${relay.url}/#/answer/${id}`)
  await reads(page, "one ")
  await button(page, "Pause").click()
  await page.locator("article .state", { hasText: "paused" }).waitFor()
  await button(page, "Unpause").click()
  await page.locator("article .state", { hasText: "streaming" }).waitFor()
  await button(page, "+5 min").click()
  await page.locator("article .facts", { hasText: /left/ }).waitFor()
  await button(page, "No limit").click()
  await page.waitForFunction(() => !/left/.test(document.querySelector("article .facts").textContent))
  await button(page, "Rename").click()
  await page.locator("dialog input").fill("to-be-stopped")
  await page.locator("#dialog-yes").click()
  await page.locator("#answers .name", { hasText: "to-be-stopped" }).waitFor()
  await button(page, "Stop").click()
  await said(page, "The answer was cancelled. (from the page)")
  assert.equal((await relay.job(id)).state, "cancelled")
  await button(page, "Retry").click()
  const again = await model.asked.next()
  assert.deepEqual(again.body.messages, [{ role: "user", content: "Count." }])
  again.finish("two")
  await reads(page, "two")
  await said(page, "The answer is complete.")
  const other = page.url().split("/").at(-1)
  assert.notEqual(other, id)
  await button(page, "Forget").click()
  await page.locator("dialog button[value=no]").click()
  assert.equal((await relay.job(other)).state, "completed")
  await button(page, "Forget").click()
  await page.locator("#dialog-yes").click()
  await page.waitForFunction((id) => !document.querySelector(`a[href="#/answer/${id}"]`), other)
  assert.equal((await fetch(`${relay.url}/towline/v1/jobs/${other}`)).status, 404)
})

test("how an answer ends is said", async (t) => {
  const page = await open(t, relay.url)
  const id = await relay.ask("Break off.")
  const answering = await model.asked.next()
  answering.say("half")
  answering.cut()
  await page.goto(`${relay.url}/#/answer/${id}`)
  await said(page, "stopped before the answer was complete")
  assert.equal(await page.locator("article .state").getAttribute("data-state"), "truncated")
})

test("a lost network, a hidden page and a killed relay lose no byte", async (t) => {
  const own = await startRelay(model)
  const network = await startNetwork(own)
  const page = await open(t, network.url)
  const id = await own.ask("Go on.")
  const answering = await model.asked.next()
  answering.say("first é")
  await page.goto(`${network.url}/#/answer/${id}`)
  await reads(page, "first é")
  network.cut()
  await page.locator("article .line", { hasText: "out of reach" }).waitFor()
  answering.say("second ")
  network.mend()
  await reads(page, "first ésecond ")
  await hide(page, true)
  answering.say("third ")
  await hide(page, false)
  await reads(page, "first ésecond third ")
  await own.kill()
  await own.start()
  await said(page, "The relay ended while the answer ran.")
  assert.equal(await paper(page).textContent(), "first ésecond third ")
  const log = await (await fetch(`${own.url}/streams/${id}?offset=-1`)).text()
  const text = log.split("\n").filter(Boolean).map((line) => JSON.parse(line).message?.content ?? "").join("")
  assert.equal(await paper(page).textContent(), text)
})

test("the link of towline page works once, and its cookie is the page's alone", async (t) => {
  const place = ownPlace(model)
  const link = await place.run("page", "--print")
  const page = await open(t, link)
  await page.locator(".none", { hasText: "There are no answers yet." }).waitFor()
  assert.equal(new URL(page.url()).hash.includes(new URL(link).hash.slice(1)), false, "the token has left the address")
  const origin = new URL(link).origin
  const [cookie] = await page.context().cookies(origin)
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"])
  const headers = { cookie: `${cookie.name}=${cookie.value}` }
  const local = origin.replace("towline.localhost", "127.0.0.1")
  const status = async (more, method = "GET") => (await fetch(`${local}/towline/v1/jobs`, { method, headers: { ...headers, ...more } })).status
  assert.equal(await status({}), 200)
  assert.equal((await fetch(`${local}/towline/v1/jobs`)).status, 401)
  assert.equal((await fetch(`${local}/api/chat`, { method: "POST", headers, body: "{}" })).status, 403)
  assert.equal(await status({ origin: "http://localhost:3000" }), 403)
  await page.reload()
  await page.locator(".none", { hasText: "There are no answers yet." }).waitFor()
  const other = await open(t, link)
  await other.locator("#sign-in").waitFor()
})

test("towline page hands its link to the browser in a file that nobody else can read", async (t) => {
  const place = ownPlace(model)
  // The desktop's opener, which records the addresses that it gets.
  const told = join(place.folder, "told")
  writeFileSync(join(place.folder, "xdg-open"), `#!/bin/sh\necho "$@" > ${told}\n`, { mode: 0o755 })
  Object.assign(place.env, { DISPLAY: ":9", PATH: `${place.folder}:${place.env.PATH}` })
  assert.equal(await place.run("page"), "")
  const file = readFileSync(told, "utf8").trim()
  assert.equal(statSync(file).mode & 0o777, 0o600)
  const page = await open(t, `file://${file}`)
  await page.locator(".none", { hasText: "There are no answers yet." }).waitFor()
  assert.equal(new URL(page.url()).hostname, "towline.localhost")
})

test("a phone is paired by a code, comes back to a relay that started again, and is revoked at once", async (t) => {
  const place = ownPlace(model)
  const png = join(place.folder, "code.png")
  const shown = (await place.run("relay", "pair", "phone", "--host", "127.0.0.1", "--listen", "127.0.0.1:0", "--png", png)).split("\n")
  const [link, fingerprint] = shown.slice(-2)
  const page = await open(t, "about:blank", { ...PHONE, ignoreHTTPSErrors: true })
  // The code contains the link.
  const code = await page.evaluate(async (url) => {
    const image = new Image()
    image.src = url
    await image.decode()
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height })
    const context = canvas.getContext("2d")
    context.drawImage(image, 0, 0)
    return { side: image.width, pixels: [...context.getImageData(0, 0, image.width, image.height).data] }
  }, `data:image/png;base64,${readFileSync(png, "base64")}`)
  assert.equal(jsqr(Uint8ClampedArray.from(code.pixels), code.side, code.side)?.data, link)
  assert.equal(shown[0].length, code.side / 8)
  // The certificate is the one whose fingerprint is shown, and cannot sign another.
  const { hostname, port, origin } = new URL(link)
  const certificate = await new Promise((resolve, reject) => {
    const socket = tls.connect({ host: hostname, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate())
      socket.destroy()
    })
    socket.on("error", reject)
  })
  assert.deepEqual([certificate.fingerprint256, certificate.ca], [fingerprint, false])
  await page.goto(link)
  await page.locator(".none", { hasText: "There are no answers yet." }).waitFor()
  const [cookie] = await page.context().cookies(origin)
  assert.deepEqual([cookie.name, cookie.secure, cookie.httpOnly, cookie.sameSite], [`__Host-towline-${port}`, true, true, "Strict"])
  await place.run("relay", "restart")
  await page.reload()
  await page.getByRole("link", { name: "Ask" }).click()
  await page.locator("textarea[name=question]").fill("Still there?")
  await page.locator(".composer option[value=small]").waitFor({ state: "attached" })
  await page.getByRole("button", { name: "Send" }).click()
  const answering = await model.asked.next()
  answering.say("Yes")
  await reads(page, "Yes")
  assert.equal(await place.run("relay", "token", "revoke", "phone"), "revoked phone")
  await page.locator("#sign-in").waitFor()
  assert.equal(await place.run("relay", "token", "list"), "")
  await assert.rejects(place.run("relay", "token", "revoke", "phone"))
  answering.finish()
})

test("a question is asked and its conversation continued, and a draft survives a reload", async (t) => {
  const page = await open(t, relay.url)
  await page.keyboard.press("n")
  const question = page.locator("textarea[name=question]")
  await question.fill("Why is the sky blue?")
  await page.locator("summary", { hasText: "Options" }).click()
  await page.locator("textarea[name=system]").fill("Be short.")
  await page.locator("input[name=temperature]").fill("0.5")
  await page.locator("option[value=large]").waitFor({ state: "attached" })
  await page.locator("select[name=model]").selectOption("large")
  await page.reload()
  assert.equal(await question.inputValue(), "Why is the sky blue?")
  await page.locator("option[value=large]").waitFor({ state: "attached" })
  assert.equal(await page.locator("select[name=model]").inputValue(), "large")
  await question.press("Enter")
  const first = await model.asked.next()
  assert.deepEqual(first.body, {
    model: "large",
    stream: true,
    options: { temperature: 0.5 },
    messages: [{ role: "system", content: "Be short." }, { role: "user", content: "Why is the sky blue?" }],
  })
  first.finish("It *scatters*.")
  await said(page, "The answer is complete.")
  await question.fill("And red?")
  await page.locator(".composer option[value=large]").waitFor({ state: "attached" })
  await page.getByRole("button", { name: "Send" }).click()
  const second = await model.asked.next()
  assert.deepEqual(second.body.messages.slice(2), [
    { role: "assistant", content: "It *scatters*." },
    { role: "user", content: "And red?" },
  ])
  assert.deepEqual(second.body.options, { temperature: 0.5 })
  // The page may close: the answer continues.
  const id = page.url().split("/").at(-1)
  await page.close()
  second.finish("Dusk.")
  const job = await relay.job(id)
  assert.deepEqual([job.state, job.asked_by, job.detached], ["completed", "page", true])
  const listed = (await (await fetch(`${relay.url}/towline/v1/jobs?conversation=${job.conversation}`)).json()).jobs
  assert.deepEqual(listed.map((one) => one.question), ["Why is the sky blue?", "And red?"])
})

test("the history of the relay's own user is listed, searched and read, and is nobody else's", async (t) => {
  const place = ownPlace(model)
  const file = join(place.folder, "chat.jsonl")
  const records = [
    { record: "session", version: 1, created: "2026-01-01T00:00:00Z" },
    { record: "question", turn: 1, model: "small", content: "Why do rivers bend?" },
    { record: "thinking", turn: 1, text: "Banks." },
    { record: "text", turn: 1, text: "They *meander*." },
    { record: "end", turn: 1, ending: "completed" },
  ]
  writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(""))
  await place.run("history", "import", file)
  const link = await place.run("page", "--print")
  const page = await open(t, link)
  const row = page.locator("section", { hasText: "History" }).locator("a", { hasText: "Why do rivers bend?" })
  await row.waitFor()
  await page.locator("#search").fill("MEANDER")
  await page.locator("section .question", { hasText: "They *meander*." }).waitFor()
  await page.locator("#search").fill("no such words")
  await page.locator(".none", { hasText: "No answer matches." }).waitFor()
  await page.locator("#search").fill("rivers")
  await row.click()
  await page.locator(".paper em", { hasText: "meander" }).waitFor()
  assert.equal(await page.locator("article .asked").textContent(), "Why do rivers bend?")
  assert.match(await page.title(), /Why do rivers bend/)
  // A device of another owner, and a program without a token, see none of it.
  const other = new URL((await place.run("relay", "pair", "guest", "--owner", "guest", "--host", "127.0.0.1", "--listen", "127.0.0.1:0")).split("\n").at(-2))
  const guest = await open(t, other.href, { ignoreHTTPSErrors: true })
  await guest.locator(".none", { hasText: "There are no answers yet." }).waitFor()
  await guest.goto(`${other.origin}/#/history/1`)
  await guest.locator("h2", { hasText: "Not here" }).waitFor()
})

test("what the own relay's page asks is in the history, and continues the conversation that is there", async (t) => {
  const place = ownPlace(model)
  const page = await open(t, await place.run("page", "--print"))
  const ask = async (text) => {
    await page.locator("textarea[name=question]").fill(text)
    await page.locator(".composer option[value=small]").waitFor({ state: "attached" })
    await page.getByRole("button", { name: "Send" }).click()
    return model.asked.next()
  }
  /** The only conversation of the history, once it contains this. */
  const kept = async (text) => {
    for (;;) {
      const shown = await place.run("history", "show", "1")
      if (shown.includes(text)) return shown
    }
  }
  await page.keyboard.press("n")
  const first = await ask(" Why is the sky blue? ")
  await kept("Why is the sky blue?")
  first.finish("It scatters.")
  await said(page, "The answer is complete.")
  await kept("It scatters.")
  const second = await ask("And red?")
  second.finish("Dusk.")
  assert.match(await kept("Dusk."), /blue\?[^]*scatters[^]*red\?[^]*Dusk/)
  assert.equal((await place.run("history", "list")).split("\n").filter((line) => line.includes("sky")).length, 1)
})

test("two owners see their own answers only, by tokens that are typed once", async (t) => {
  const tokens = { ann: "ann-0123456789abcdef", bob: "bob-0123456789abcdef" }
  const own = await startRelay(model, Object.entries(tokens).map(([owner, secret]) => `[[token]]\nowner = "${owner}"\nsecret = "${secret}"`).join("\n"))
  const auth = (owner) => ({ Authorization: `Bearer ${tokens[owner]}` })
  const id = await own.ask("Ann's secret.", { headers: auth("ann") })
  ;(await model.asked.next()).finish("Yes.")
  await own.job(id, auth("ann"))
  const signIn = async (owner) => {
    const page = await open(t, own.url)
    await page.locator("#sign-in input").fill(tokens[owner])
    await page.locator("#sign-in button").click()
    return page
  }
  const ann = await signIn("ann")
  await ann.locator(`#answers a[href="#/answer/${id}"]`).waitFor()
  const bob = await signIn("bob")
  await bob.locator(".none", { hasText: "There are no answers yet." }).waitFor()
  await bob.goto(`${own.url}/#/answer/${id}`)
  await bob.locator("h2", { hasText: "Not here" }).waitFor()
  // A revoked device is disconnected at once, in the middle of a stream.
  const device = (await (await fetch(`${own.url}/towline/v1/devices`, { headers: auth("ann") })).json()).devices[0]
  await fetch(`${own.url}/towline/v1/devices/${device.name}`, { method: "DELETE", headers: auth("ann") })
  await ann.locator("#sign-in").waitFor()
  await bob.locator("#answers").waitFor()
})

test("what a hostile model writes does nothing", async (t) => {
  const page = await open(t, relay.url)
  const id = await relay.ask("<img src=x onerror=alert(1)>")
  const answering = await model.asked.next()
  const hostile = [
    "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'>",
    "[click](javascript:window.hurt=1) [data](data:text/html,<script>1</script>) [rel](/towline/v1/jobs)",
    "![pixel](https://evil.example/pixel.png) <javascript:alert(1)> [[[[[[ ![]( **__~~",
    "\u202Eright to left\u202D [good](https://example.org/a_(b)) `</code><b>`",
    `|${"h |".repeat(50)}\n|${"---|".repeat(50)}\n${`|${"x |".repeat(50)}\n`.repeat(300)}`,
    "*".repeat(5000) + "a" + "_".repeat(5000) + "[".repeat(5000) + "`".repeat(5000),
    "> ".repeat(500) + "deep",
    "- ".repeat(500) + "deep",
  ].join("\n\n")
  answering.finish(hostile)
  const outside = []
  page.on("request", (request) => !request.url().startsWith(relay.url) && outside.push(request.url()))
  await page.goto(`${relay.url}/#/answer/${id}`)
  await said(page, "The answer is complete.")
  await page.waitForFunction(() => document.querySelectorAll(".paper td").length === 300 * 50)
  assert.equal(await page.evaluate(() => window.hurt), undefined)
  assert.equal(await page.locator(".paper script, .paper img, .asked img").count(), 0)
  const links = await page.locator(".paper a").evaluateAll((links) => links.map((link) => link.href))
  assert.deepEqual(links, ["https://evil.example/pixel.png", "https://example.org/a_(b)"])
  assert.deepEqual(outside, [])
  const blocked = await page.evaluate(() => {
    try {
      document.createElement("div").innerHTML = "<b>x</b>"
      return "written"
    } catch (error) {
      return error.name
    }
  })
  assert.equal(blocked, "TypeError")
  // A browser does not treat a client's stream as HTML.
  await fetch(`${relay.url}/streams/trap`, { method: "PUT", headers: { "Content-Type": "text/html" }, body: "<script>window.hurt = 1</script>" })
  const trap = await open(t, relay.url)
  await trap.goto(`${relay.url}/streams/trap`).catch(() => {})
  assert.equal(await trap.evaluate(() => window.hurt), undefined)
})
