// Makes the icon for the home screens of phones from the page's own: node tests/page/icon.mjs
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { crc32, deflateSync } from "node:zlib"
import { startBrowser, stopAll } from "./harness.mjs"

const SIDE = 180
/** The number of shades that an icon of two colours needs. */
const COLOURS = 16
const folder = join(import.meta.dirname, "../../crates/towline-relay/page")

const browser = await startBrowser()
const page = await browser.newPage()
const pixels = await page.evaluate(async ([svg, side]) => {
  const image = new Image(side, side)
  image.src = `data:image/svg+xml;base64,${btoa(svg)}`
  await image.decode()
  const context = Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d")
  context.drawImage(image, 0, 0, side, side)
  const { data } = context.getImageData(0, 0, side, side)
  return Array.from({ length: side * side }, (_, at) => [...data.slice(4 * at, 4 * at + 3)])
}, [readFileSync(join(folder, "icon.svg"), "utf8"), SIDE])
await stopAll()

const counts = new Map()
for (const colour of pixels) counts.set(String(colour), (counts.get(String(colour)) ?? 0) + 1)
const palette = [...counts].sort(([, a], [, b]) => b - a).slice(0, COLOURS).map(([colour]) => colour.split(",").map(Number))
const distance = (a, b) => a.reduce((sum, value, at) => sum + (value - b[at]) ** 2, 0)
const nearest = (colour) => palette.map((one, at) => [distance(one, colour), at]).sort(([a], [b]) => a - b)[0][1]

/** Two pixels in each byte, and before each row the filter type "none". */
const rows = Buffer.alloc(SIDE * (SIDE / 2 + 1))
pixels.forEach((colour, at) => {
  const [x, y] = [at % SIDE, Math.floor(at / SIDE)]
  rows[y * (SIDE / 2 + 1) + 1 + (x >> 1)] |= nearest(colour) << (x % 2 ? 0 : 4)
})

function chunk(kind, data) {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(data.length)
  const body = Buffer.concat([Buffer.from(kind), data])
  const check = Buffer.alloc(4)
  check.writeUInt32BE(crc32(body))
  return Buffer.concat([head, body, check])
}
const size = Buffer.alloc(8)
size.writeUInt32BE(SIDE, 0)
size.writeUInt32BE(SIDE, 4)
const png = Buffer.concat([
  Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
  chunk("IHDR", Buffer.concat([size, Buffer.from([4, 3, 0, 0, 0])])),
  chunk("PLTE", Buffer.from(palette.flat())),
  chunk("IDAT", deflateSync(rows, { level: 9 })),
  chunk("IEND", Buffer.alloc(0)),
])
writeFileSync(join(folder, "icon.png"), png)
console.log(`${png.length} bytes`)
