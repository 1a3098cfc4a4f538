// The page's layout and accessibility: with axe, at a phone's size, from right to left, by keyboard.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { after, before, test } from "node:test"
import { PHONE, SMALL_PHONE, startBrowser, startModel, startRelay, stopAll } from "./harness.mjs"
import { traced } from "./trace.mjs"

/** Times depend on the machine: they are always printed, but only `./test full` enforces them. */
const IS_TIMED = process.env.TOWLINE_TIMED === "1"
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const TEXT = `# Head\n\nA long-${"word".repeat(40)} and \`${"code".repeat(40)}\`.\n\n\`\`\`js\n${"let x = 1; ".repeat(30)}\n\`\`\`\n\n|${" cell |".repeat(12)}\n|${"---|".repeat(12)}\n|${" value |".repeat(12)}\n\n- one\n- two\n`

let browser, model, relay, ended, running, answering

before(async () => {
  model = await startModel()
  ;[browser, relay] = await Promise.all([startBrowser(), startRelay(model)])
  ended = await relay.ask("Show all.")
  const first = await model.asked.next()
  first.think("Hm.")
  first.finish(TEXT)
  await relay.job(ended)
  running = await relay.ask("Go on.")
  answering = await model.asked.next()
  answering.say(TEXT)
})
after(stopAll)

async function open(t, hash, options) {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  const page = await context.newPage()
  await page.goto(`${relay.url}/${hash}`)
  await page.locator(`a[href="#/answer/${ended}"]`).waitFor({ state: "attached" })
  return page
}

const VIEWS = {
  list: ["", async () => {}],
  ended: ["ENDED", (page) => page.locator(".composer option[value=small]").waitFor({ state: "attached" })],
  running: ["RUNNING", (page) => page.locator(".paper table").waitFor()],
  ask: ["#/new", (page) => page.locator("summary").click()],
  dialog: ["ENDED", (page) => page.locator("article .buttons").getByRole("button", { name: "Forget" }).click()],
}
const hashOf = (hash) => hash.replace("ENDED", `#/answer/${ended}`).replace("RUNNING", `#/answer/${running}`)

test("axe finds nothing serious", async (t) => {
  const looks = [{ viewport: { width: 1200, height: 800 }, colorScheme: "dark" }, { ...PHONE, colorScheme: "light" }]
  for (const look of looks) {
    for (const [name, [hash, ready]] of Object.entries(VIEWS)) {
      const page = await open(t, hashOf(hash), look)
      await ready(page)
      await page.evaluate(AXE)
      const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }))
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      const told = serious.map(({ id, nodes }) => `${name}, ${look.colorScheme}: ${id}: ${nodes.map((node) => node.html).join(" ")}`)
      assert.deepEqual(told, [])
      await page.context().close()
    }
  }
})

test("nothing is wider than a small phone, in either direction of writing", async (t) => {
  for (const direction of ["ltr", "rtl"]) {
    for (const [name, [hash, ready]] of Object.entries(VIEWS)) {
      const page = await open(t, hashOf(hash), { ...SMALL_PHONE, reducedMotion: "reduce" })
      await page.evaluate((direction) => (document.documentElement.dir = direction), direction)
      await ready(page)
      const wide = await page.evaluate(() => {
        const scrolls = (element) => element.closest("pre, .table, .asked, .buttons") !== null
        const outside = ({ left, right }) => left < -1 || right > 321
        const found = [...document.querySelectorAll("body *")].filter((one) => !scrolls(one) && outside(one.getBoundingClientRect()))
        return found.map((one) => one.outerHTML.slice(0, 100))
      })
      assert.deepEqual(wide, [], `${name}, ${direction}`)
      await page.context().close()
    }
  }
})

test("keys ask, search, and go back; what is reached by Tab is seen", async (t) => {
  const page = await open(t, `#/answer/${ended}`, { viewport: { width: 1200, height: 800 } })
  await page.locator("article h2").waitFor()
  await page.keyboard.press("/")
  assert.equal(await page.evaluate(() => document.activeElement.id), "search")
  await page.keyboard.type("show")
  await page.locator(`a[href="#/answer/${running}"]`).waitFor({ state: "detached" })
  await page.keyboard.press("Tab")
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("href")), `#/answer/${ended}`)
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "none")
  await page.keyboard.press("n")
  await page.locator("textarea[name=question]").waitFor()
  assert.equal(await page.evaluate(() => document.activeElement.name), "question")
  await page.keyboard.press("Escape")
  await page.keyboard.press("Escape")
  await page.waitForFunction(() => location.hash === "#/")
})

test("an answer that is read is followed, unless its reader looks back", async (t) => {
  const page = await open(t, `#/answer/${running}`, PHONE)
  const isAtEnd = () => page.waitForFunction(() => main.scrollHeight - main.clientHeight - main.scrollTop < 2)
  answering.say("\n\nmore ".repeat(80))
  await page.waitForFunction(() => document.querySelector(".paper").textContent.includes("more"))
  await isAtEnd()
  await page.evaluate(() => (main.scrollTop = 0))
  const newest = page.getByRole("button", { name: "Newest" })
  await newest.waitFor()
  answering.say("\n\nand more ".repeat(20))
  await page.waitForFunction(() => document.querySelector(".paper").textContent.includes("and more"))
  assert.equal(await page.evaluate(() => main.scrollTop), 0)
  await newest.click()
  await isAtEnd()
  answering.say("\n\nlast ".repeat(20))
  await page.waitForFunction(() => document.querySelector(".paper").textContent.includes("last"))
  await isAtEnd()
  await newest.waitFor({ state: "hidden" })
})

/** Opens the page in a tab whose process already runs. Returns when the list was there and when it was painted, in ms, and the main thread's work. */
async function opened(isTraced) {
  const context = await browser.newContext(PHONE)
  const page = await context.newPage()
  await page.goto(`${relay.url}/page/manifest.json`)
  await page.addInitScript(() => {
    new MutationObserver((_, observer) => {
      if (!document.querySelector("#sections li")) return
      observer.disconnect()
      const listed = performance.now()
      // The task after a frame runs once the frame is painted.
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = () => (window.times = { listed, painted: performance.now() })
        port2.postMessage(undefined)
      })
    }).observe(document, { childList: true, subtree: true })
  })
  const open = async () => {
    await page.goto(relay.url)
    await page.waitForFunction(() => window.times)
  }
  // The trace itself takes time.
  const busy = isTraced ? (await traced(page, open)).busy : await open()
  const times = await page.evaluate(() => window.times)
  await context.close()
  return { busy, ...times }
}

test("the first list is there soon", async (t) => {
  const loads = []
  for (let load = 0; load < 9; load++) loads.push(await opened(false))
  const [listed, painted] = ["listed", "painted"].map((time) => Math.round(loads.map((load) => load[time]).sort((a, b) => a - b)[4]))
  const { busy } = await opened(true)
  t.diagnostic(`the list was there after ${listed} ms and painted after ${painted} (medians of 9); the main thread worked ${Math.round(busy)} ms`)
  assert.ok(!IS_TIMED || listed <= 200, `the first list took ${listed} ms`)
})
