// An answer's Markdown as it arrives. A closed block never changes again: the cost of a frame depends only on the new text.
// A long block is split, so that the last one is always short.

import { inline } from "./inline.js"
import { copy, el } from "./words.js"

/** The length at which a block is split, in characters. */
const LONGEST = 8192
const DEEPEST = 12
/** The number of blocks in one part of the layout; a part of a table has four times as many rows. */
const TOGETHER = 50
/** The maximum time for lines in one frame, in milliseconds. */
const FRAME = 8

const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/
const QUOTE = /^ {0,3}> ?/
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( {1,4}(?! )|(?= {5})|$)/
const RULE = /^ {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$/
const CELLS = /^ {0,3}\|? *:?-+:? *(?:\| *:?-+:? *)*\|? *$/
const FORMULA = /^ {0,3}(\$\$|\\\[)/
const HEADING = /^ {0,3}(#{1,6})(?= |$)/

export class Paper {
	/** Lines that are not shown yet, and the incomplete one. */
	#waiting = ""
	/** @type {Block | undefined} */
	#open
	/** The incomplete line, if it is not part of the open block. @type {ChildNode | undefined} */
	#glimpse

	/** @param {Element} root */
	constructor(root, depth = 0) {
		this.home = this.root = root
		this.size = 0
		this.depth = depth
	}

	add(text = "") {
		this.#waiting += text
	}

	/** Shows the received text; `false` if there is too much for one frame. */
	paint() {
		const until = performance.now() + FRAME
		this.#glimpse?.remove()
		this.#glimpse = undefined
		let at = 0
		let isAll = true
		for (let count = 1; isAll; count++) {
			const found = this.#waiting.indexOf("\n", at)
			let end = found < 0 ? this.#waiting.length : found
			// An endless line is cut at a space.
			const isLong = end - at > 2 * LONGEST && this.#open?.kind !== "code"
			if (isLong) end = Math.max(this.#waiting.lastIndexOf(" ", at + LONGEST), at + LONGEST / 2)
			else if (found < 0) break
			if (isLong && /[\ud800-\udbff]/.test(this.#waiting[end - 1] ?? "")) end--
			this.#line(this.#waiting.slice(at, end).replace(/\r$/, ""))
			at = isLong ? end : end + 1
			isAll = (count % 32 > 0 && !isLong) || performance.now() < until
		}
		this.#waiting = this.#waiting.slice(at)
		if (isAll && this.#waiting.trim() !== "") this.#show(this.#waiting)
		else this.#draw()
		return isAll
	}

	/** Shows the rest at the end of the text. */
	end() {
		if (this.#waiting !== "" && !this.#waiting.endsWith("\n")) this.#waiting += "\n"
		while (!this.paint());
		this.#close()
	}

	/** Shows the last line, which may be incomplete. */
	#show(tail = "") {
		const open = this.#open
		if (open?.kind === "code") {
			this.#draw()
			// The closing fence is not shown while it arrives.
			if (/^ {0,3}[`~]+$/.test(tail)) return
			this.#glimpse = document.createTextNode(tail)
			const code = codeOf(open)
			return (code.lastElementChild ?? code).append(this.#glimpse)
		}
		if (open && open.kind !== "table" && this.#continues(open, tail) && !CELLS.test(tail)) {
			open.lines.push(tail)
			this.#draw()
			open.lines.pop()
			return
		}
		this.#draw()
		if (FENCE.test(tail) || RULE.test(tail) || open?.kind === "table") return
		const glimpse = this.root.appendChild(el("div"))
		const paper = new Paper(glimpse, this.depth + 1)
		paper.#line(tail)
		paper.#draw()
		this.#glimpse = glimpse
	}

	#line(line = "") {
		this.size += line.length
		const open = this.#open
		if (open?.kind === "code") {
			const [, marks, rest] = FENCE.exec(line) ?? []
			if (marks?.startsWith(open.begins) && rest?.trim() === "") return this.#close()
			open.lines.push(line.slice(Math.min(indentOf(line), open.indent)))
			return
		}
		if (open?.kind === "paragraph" && this.#turns(open, line)) return
		if (!open || !this.#continues(open, line)) {
			this.#close()
			return this.#begin(line)
		}
		if (open.kind === "table") return this.#row(open, line)
		open.lines.push(line)
		open.size += line.length + 1
		if (open.kind === "formula" && line.includes(open.begins)) this.#close()
	}

	/** Whether the line turns the paragraph into a table. @param {Block} open */
	#turns(open, line = "") {
		const [first = "", second] = open.lines
		if (second !== undefined || !first.includes("|") || !CELLS.test(line) || cells(first).length !== cells(line).length) return false
		const aligns = cells(line).map((cell) => (!cell.endsWith(":") ? "" : cell.startsWith(":") ? "center" : "end"))
		const shown = tableBlock(el("thead", {}, row("th", first, aligns)))
		open.shown.replaceWith(shown)
		this.#open = { ...open, kind: "table", shown, aligns }
		return true
	}

	/** Whether the line belongs to the open block. @param {Block} open */
	#continues(open, line = "") {
		if (open.kind === "table") return line.includes("|")
		if (open.kind === "formula" || open.size >= LONGEST) return open.size < LONGEST
		const isBlank = line.trim() === ""
		const isLazy = !isBlank && open.lines.at(-1)?.replace(QUOTE, "").trim() !== "" && !interrupts(line)
		if (open.kind === "quote") return isLazy || QUOTE.test(line)
		if (open.kind === "item") return isBlank || indentOf(line) >= open.indent || (isLazy && !ITEM.test(line))
		return isLazy
	}

	/** Starts a block. */
	#begin(line = "") {
		if (line.trim() === "") return
		this.#part()
		const marks = HEADING.exec(line)?.[1]
		if (marks) {
			const text = line.trim().slice(marks.length).replace(/ #{1,9}$/, "").trim()
			return this.root.append(filled(/** @type {"h3"} */ (`h${Math.min(marks.length + 2, 6)}`), text))
		}
		if (RULE.test(line)) return this.root.append(el("hr"))
		const [, fence = "", language = ""] = FENCE.exec(line) ?? []
		if (fence && !(fence.startsWith("`") && language.includes("`"))) {
			return this.#opened("code", codeBlock(language.trim().split(/\s/)[0]), [], fence, indentOf(line))
		}
		const lines = [line]
		const item = this.depth < DEEPEST ? ITEM.exec(line) : null
		if (item) {
			const [, before = "", begins = "", behind = ""] = item
			const indent = before.length + begins.length + Math.max(behind.length, 1)
			return this.#opened("item", el("li"), lines, begins, indent, this.#list(begins))
		}
		if (this.depth < DEEPEST && QUOTE.test(line)) return this.#opened("quote", el("blockquote"), lines)
		const formula = FORMULA.exec(line)?.[1]
		if (!formula) return this.#opened("paragraph", el("p", { dir: "auto" }), lines)
		const begins = formula === "$$" ? "$$" : "\\]"
		this.#opened("formula", el("pre", { class: "formula", tabindex: "0" }), lines, begins)
		if (line.indexOf(begins, line.indexOf(formula) + 2) >= 0) this.#close()
	}

	#list(mark = "") {
		const last = this.root.lastElementChild
		const kind = mark.slice(-1)
		if (last?.getAttribute("data-mark") === kind) return last
		const list = el(/\d/.test(mark) ? "ol" : "ul", { "data-mark": kind, dir: "auto" })
		if (list instanceof HTMLOListElement) list.start = Number.parseInt(mark, 10)
		this.root.append(list)
		return list
	}

	/** @param {Block["kind"]} kind @param {HTMLElement} shown @param {string[]} lines @param {Element} [parent] */
	#opened(kind, shown, lines, begins = "", indent = 0, parent = this.root) {
		this.#open = { kind, shown, lines, begins, indent, size: 0 }
		parent.append(shown)
	}

	/** Starts a new part if the last one is full. */
	#part() {
		const isFull = this.root === this.home || this.root.childElementCount >= TOGETHER || this.size > 2 * LONGEST
		if (this.depth > 0 || !isFull) return
		this.root = this.home.appendChild(el("div", { class: "part" }))
		this.size = 0
	}

	/** @param {Block} open */
	#row(open, line = "") {
		if (open.shown.querySelectorAll("tr").length > 4 * TOGETHER) {
			this.#part()
			this.root.append((open.shown = tableBlock()))
		}
		open.shown.querySelector("tbody")?.append(row("td", line, open.aligns))
	}

	/** Shows the current state of the open block. */
	#draw() {
		const open = this.#open
		switch (open?.kind) {
			case "paragraph":
				open.shown.textContent = ""
				inline(open.shown, open.lines.map((line) => line.trimStart()).join("\n"))
				break
			case "code":
				written(codeOf(open), open.lines)
				open.lines = []
				break
			case "formula":
				open.shown.textContent = open.lines.join("\n")
				break
			case "quote":
				this.#inside(open, open.lines.map((line) => line.replace(QUOTE, "")))
				break
			case "item": {
				const lines = open.lines.map((line, at) => line.slice(at === 0 ? open.indent : Math.min(indentOf(line), open.indent)))
				lines[0] = lines[0]?.replace(/^\[ \] /, "☐ ").replace(/^\[[xX]\] /, "☑ ") ?? ""
				this.#inside(open, lines)
				const first = open.shown.firstElementChild
				if (first?.tagName === "P" && !/\n\s*\n./.test(lines.join("\n"))) first.replaceWith(...first.childNodes)
			}
		}
	}

	/** @param {Block} open @param {string[]} lines */
	#inside(open, lines) {
		open.shown.textContent = ""
		const paper = new Paper(open.shown, this.depth + 1)
		for (const line of lines) paper.#line(line)
		paper.#close()
	}

	#close() {
		this.#draw()
		this.#open = undefined
	}
}

/** Whether the line ends a paragraph. */
function interrupts(line = "") {
	const item = ITEM.exec(line)
	const isItem = item && item[0].length < line.length && /^([^\d]|1.$)/.test(item[2] ?? "")
	return isItem || [FENCE, QUOTE, RULE, FORMULA, HEADING].some((kind) => kind.test(line))
}

const indentOf = (line = "") => line.length - line.trimStart().length

function codeBlock(language = "") {
	const code = el("code", { dir: "ltr" })
	const button = el("button", { class: "small", click: () => copy(code.textContent ?? "", button) }, "Copy")
	return el("div", { class: "code" }, el("div", { class: "bar" }, el("span", {}, language), button), el("pre", { tabindex: "0" }, code))
}

/** @param {Block} block */
const codeOf = (block) => /** @type {HTMLElement} */ (block.shown.querySelector("code"))

/** @param {Element} code @param {string[]} lines */
function written(code, lines) {
	for (let at = 0; at < lines.length; at += 100) {
		let piece = code.lastElementChild
		if (!piece || (piece.textContent?.length ?? 0) > LONGEST) piece = code.appendChild(el("span", { class: "piece" }))
		piece.append(lines.slice(at, at + 100).join("\n") + "\n")
	}
}

function cells(line = "") {
	const inside = line.trim().replace(/^\|/, "").replace(/\|$/, "")
	return inside.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"))
}

/** @param {"h3" | "td" | "th"} tag */
function filled(tag, text = "", kind = "") {
	const made = el(tag, { dir: "auto", class: kind })
	inline(made, text)
	return made
}

/** @param {"td" | "th"} tag @param {string[]} [aligns] */
const row = (tag, line = "", aligns) => el("tr", {}, ...cells(line).map((text, at) => filled(tag, text, aligns?.[at])))

/** @param {Node[]} head */
const tableBlock = (...head) => el("div", { class: "table", tabindex: "0" }, el("table", {}, ...head, el("tbody")))
