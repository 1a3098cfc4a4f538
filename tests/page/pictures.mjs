// Makes the pictures of the page: node tests/page/pictures.mjs FOLDER
import { join } from "node:path"
import { PHONE, SMALL_PHONE, startBrowser, startModel, startRelay, stopAll } from "./harness.mjs"

const folder = process.argv[2] ?? "docs/pictures"
const model = await startModel()
const [browser, relay] = await Promise.all([startBrowser(), startRelay(model)])

const RIVERS = `A river bends because its **outer bank** wears away faster than its inner one.

1. Water on the outside of a bend is *faster*, and takes soil with it.
2. On the inside it is slower, and lays the soil down.

| bank  | speed | what happens |
|-------|------:|--------------|
| outer | 1.4 m/s | is worn away |
| inner | 0.3 m/s | grows |

The wavelength of a meander is about eleven times the width of the river:

\`\`\`python
def wavelength(width):
    return 11 * width
\`\`\`

> Rivers that are left alone never run straight for more than ten widths.
`

async function answered(question, text, how = (answering) => answering.finish(text)) {
  const id = await relay.ask(question, { model: "small" })
  how(await model.asked.next())
  await relay.job(id)
  return id
}
await answered("Name three gardens.", "Kew, Sissinghurst, Bodnant.")
await answered("Count to a million.", "", (answering) => {
  answering.say("1 2 3")
  answering.cut()
})
const id = await answered("Why do rivers bend?", RIVERS)
const running = []
for (const question of ["Tell a long story of a ferry.", "Compare five kinds of rope."]) {
  const asked = await relay.ask(question)
  running.push([asked, await model.asked.next()])
}
for (const [, answering] of running) answering.think("A ferry, then.")
for (let word = 0; word < 40; word++) for (const [, answering] of running) answering.say("over the water ")

async function picture(name, options, hash, before = async () => {}) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options })
  const page = await context.newPage()
  await page.goto(`${relay.url}/${hash}`)
  await page.locator(`a[href="#/answer/${id}"]`).waitFor({ state: "attached" })
  await before(page)
  await page.screenshot({ path: join(folder, `${name}.png`) })
  await context.close()
}

const read = async (page) => page.locator(".paper blockquote").waitFor()
await picture("page-desktop-dark", { viewport: { width: 1200, height: 800 }, colorScheme: "dark" }, `#/answer/${id}`, read)
await picture("page-phone-light", { ...PHONE, deviceScaleFactor: 1.5, colorScheme: "light" }, `#/answer/${id}`, read)
if (process.argv[3] === "all") {
  await picture("phone-list", { ...PHONE, colorScheme: "light" }, "")
  await picture("phone-ask", { ...SMALL_PHONE, colorScheme: "dark" }, "#/new", (page) => page.locator("summary").click())
  await picture("phone-running", { ...SMALL_PHONE, colorScheme: "light" }, `#/answer/${running[0][0]}`)
  await picture("desktop-light", { viewport: { width: 900, height: 600 }, colorScheme: "light" }, "")
}
await stopAll()
