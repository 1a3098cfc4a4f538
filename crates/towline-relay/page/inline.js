// The text of a Markdown paragraph. A model's text never becomes markup: elements are created one by one, and links lead only
// to web and mail addresses. Time is linear in the length: a search that found nothing is not repeated.

import { el } from "./words.js"

/** The maximum number of open runs and brackets. */
const OPEN = 64
const SPECIAL = /[\\`$*_~[\]]|!\[|https?:\/\/|<br *\/?>| {2}\n/gi
const ADDRESS = /https?:\/\/[^\s<>"`]{1,2000}/iy
/** Whether a character is invisible, or beyond the ends of the text. */
const isSpace = (char = "") => !/\S/.test(char)
const isLetter = (char = "") => /[\p{L}\p{N}]/u.test(char)

/** Sets the target of a link; `false` if it is not a web or mail address. @param {HTMLElement} link */
function leads(link, address = "") {
	const url = URL.canParse(address) ? new URL(address) : undefined
	if (!url || !["http:", "https:", "mailto:"].includes(url.protocol)) return false
	Object.assign(link, { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer" })
	if (!link.hasChildNodes()) link.append(address)
	return true
}

/** @param {Element} parent */
export function inline(parent, text = "") {
	/** Open marks, and the elements that they began. @type {[string, HTMLElement][]} */
	const open = []
	const missing = new Set()
	let here = parent
	let plain = ""
	let at = 0

	/** Adds the plain text so far, then `node` for the text up to `to`. @param {Node | string} node */
	function push(node = "", to = at) {
		here.append(...[plain, node].filter(Boolean))
		plain = ""
		at = to
	}

	/** Keeps the text up to `to` as plain text. */
	function take(to = 0) {
		plain += text.slice(at, to)
		at = to
	}

	function find(closer = "", from = 0) {
		const found = missing.has(closer) ? -1 : text.indexOf(closer, from)
		if (found < 0) missing.add(closer)
		return found
	}

	function code() {
		let begin = at
		while (text[begin] === "`") begin++
		const marks = text.slice(at, begin)
		for (let end = find(marks, begin); end >= 0; end = find(marks, end)) {
			const inside = text.slice(begin, end).replaceAll("\n", " ")
			while (text[end] === "`") end++
			if (end === begin + inside.length + marks.length) {
				return push(el("code", {}, /^ .*[^ ].* $/.test(inside) ? inside.slice(1, -1) : inside), end)
			}
		}
		missing.add(marks)
		take(begin)
	}

	/** A formula, unchanged; plain text if it has no end. */
	function formula(end = 0, from = 0) {
		if (end <= from) return take(from)
		end += from - at
		push(el("code", { class: "formula" }, text.slice(at, end)), end)
	}

	/** An amount of money is not a formula. */
	function dollars() {
		const marks = text[at + 1] === "$" ? "$$" : "$"
		const begin = at + marks.length
		const end = isSpace(text.charAt(begin)) ? -1 : find(marks, begin)
		const isMoney = marks === "$" && (isSpace(text.charAt(end - 1)) || /\d/.test(text.charAt(end + 1)))
		formula(isMoney ? -1 : end, begin)
	}

	function escaped() {
		const next = text.charAt(at + 1)
		if (next === "(" || next === "[") {
			const end = find(next === "(" ? "\\)" : "\\]", at + 2)
			if (end > 0) return formula(end, at + 2)
		}
		if (next === "\n") return push(el("br"), at + 2)
		if (/[!-/:-@[-`{-~]/.test(next)) at++
		take(at + 1)
	}

	/** A run of emphasis marks: as in CommonMark, but also next to characters of languages without spaces. */
	function emphasis(char = "") {
		let end = at
		while (text[end] === char) end++
		const [before, after] = [text.charAt(at - 1), text.charAt(end)]
		const canOpen = !isSpace(after) && !(char === "_" && isLetter(before))
		const canClose = !isSpace(before) && !(char === "_" && isLetter(after))
		if (end - at > 3 || (char === "~" && end - at !== 2)) return take(end)
		while (canClose && at < end) {
			const [mark] = closed([char, char + char].slice(0, end - at)) ?? []
			if (!mark) break
			at += mark.length
		}
		while (canOpen && at < end) begin(text.slice(at, Math.min(at + 2, end)))
		take(end)
	}

	function begin(mark = "") {
		if (open.length === OPEN) return take(at + mark.length)
		const made = el(mark.endsWith("[") ? "a" : mark === "~~" ? "del" : mark.length > 1 ? "strong" : "em")
		push(made, at + mark.length)
		open.push([mark, made])
		here = made
	}

	/** Closes the last element that one of these marks opened; open marks inside it become text. @param {string[]} marks */
	function closed(marks, from = 0) {
		const last = open.findLastIndex(([mark]) => marks.includes(mark))
		if (last < from) return undefined
		push()
		for (const [mark, made] of open.splice(last + 1).reverse()) made.replaceWith(mark, ...made.childNodes)
		const ended = open.pop()
		here = ended?.[1].parentElement ?? here
		return ended
	}

	/** The end of a link, or of an image, which is shown as a link. */
	function close() {
		let end = text[at + 1] === "(" ? find(")", at + 2) : -1
		const [mark = "", made] = closed(["[", "!["], end < 0 ? open.length - 1 : 0) ?? []
		if (!made) return take(at + 1)
		// An address may contain brackets.
		if (text.slice(at + 2, end).includes("(") && text[end + 1] === ")") end++
		const address = text.slice(at + 2, end)
		const isLink = end > 0 && leads(made, address.trim().replace(/\s.*/s, ""))
		if (!isLink) made.replaceWith(mark, ...made.childNodes)
		if (isLink) at = end + 1
		else take(at + 1)
	}

	function address() {
		ADDRESS.lastIndex = at
		let found = /\w/.test(text.charAt(at - 1)) ? "" : (ADDRESS.exec(text)?.[0] ?? "").replace(/[.,;:!?*_~'\]]+$/, "")
		if (found.endsWith(")") && !found.includes("(")) found = found.slice(0, -1)
		const link = el("a")
		if (leads(link, found)) push(link, at + found.length)
		else take(at + 1)
	}

	while (at < text.length) {
		SPECIAL.lastIndex = at
		const found = SPECIAL.exec(text)
		take(found?.index ?? text.length)
		const mark = found?.[0] ?? ""
		if (mark === "\\") escaped()
		else if (mark === "`") code()
		else if (mark === "$") dollars()
		else if (mark.endsWith("[")) begin(mark)
		else if (mark === "]") close()
		else if (mark.endsWith("/")) address()
		else if (mark.length > 1) push(el("br"), at + mark.length)
		else if (mark) emphasis(mark)
	}
	push()
	for (const [mark, made] of open.reverse()) made.replaceWith(mark, ...made.childNodes)
}
