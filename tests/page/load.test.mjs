// The page under load: many answers at once, and a long one.
import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { startBrowser, startModel, startRelay, stopAll } from "./harness.mjs"
import { traced } from "./trace.mjs"

let browser, model, relay

before(async () => {
  model = await startModel()
  ;[browser, relay] = await Promise.all([startBrowser(), startRelay(model)])
})
after(stopAll)

/** The maximum length of a task of the page's main thread, in milliseconds. */
const LONGEST = 100
/** The minimum number of frames a second. */
const FRAMES = 50
/** Times depend on the machine: they are always printed, but only `./test full` enforces them. */
const IS_TIMED = process.env.TOWLINE_TIMED === "1"

test("fifty answers at a hundred tokens a second leave the page its frames", async (t) => {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 } })
  t.after(() => context.close())
  const page = await context.newPage()
  const ids = []
  const answering = []
  for (let at = 0; at < 50; at++) {
    ids.push(await relay.ask(`Question ${at}?`))
    answering.push(await model.asked.next())
  }
  await page.goto(`${relay.url}/#/answer/${ids[0]}`)
  await page.waitForFunction(() => document.querySelectorAll("#sections li").length === 50)
  const words = ["The ", "**river** ", "bends ", "`slowly`, ", "and ", "goes ", "on.\n\n"]
  const ROUNDS = 300
  const seen = await traced(page, async () => {
    // Each round is a token of every answer, 100 times a second.
    const began = performance.now()
    for (let round = 0; round < ROUNDS; round++) {
      for (const one of answering) one.say(words[round % words.length])
      await new Promise((resolve) => setTimeout(resolve, began + 10 * (round + 1) - performance.now()))
    }
    await page.waitForFunction((count) => document.querySelectorAll(".part > p").length >= count, Math.floor(ROUNDS / words.length))
  })
  for (const one of answering) one.finish()
  t.diagnostic(`${JSON.stringify(seen)}`)
  assert.ok(!IS_TIMED || seen.longest <= LONGEST, `the longest task took ${seen.longest} ms`)
  assert.ok(!IS_TIMED || seen.frames >= FRAMES, `${seen.frames} frames a second`)
})

test("an answer of a megabyte is shown in short tasks, and is copied byte for byte", async (t) => {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] })
  t.after(() => context.close())
  const page = await context.newPage()
  const piece = "## Part\n\nA *long* text with `code`, [a link](https://example.org/) and **more**.\n\n- one\n- two\n\n```rust\nfn main() {}\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
  let text = ""
  while (text.length < 400_000) text += piece
  // A paragraph, code and a table without end.
  text += "word ".repeat(40_000) + "😀".repeat(50_000) + "\n\n```\n" + "let x = 1;\n".repeat(20_000) + "```\n\n| a |\n|---|\n" + "| é |\n".repeat(5_000) + "\nThe last line."
  const id = await relay.ask("Write a book.")
  const answering = await model.asked.next()
  for (let at = 0; at < text.length; at += 1000) answering.say(text.slice(at, at + 1000))
  answering.finish()
  await relay.job(id)
  await page.goto(relay.url)
  await page.locator(`a[href="#/answer/${id}"]`).waitFor()
  const seen = await traced(page, async () => {
    await page.locator(`a[href="#/answer/${id}"]`).click()
    await page.waitForFunction(() => document.querySelector(".part:last-child > p:last-child")?.textContent === "The last line.")
  })
  t.diagnostic(`${JSON.stringify(seen)}`)
  assert.ok(!IS_TIMED || seen.longest <= LONGEST, `the longest task took ${seen.longest} ms`)
  assert.equal(await page.evaluate(() => document.querySelector(".paper").textContent.match(/😀/gu).length), 50_000)
  await page.locator("article .buttons").getByRole("button", { name: "Copy" }).click()
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), text)
})
