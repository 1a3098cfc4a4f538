// The text of a Markdown paragraph. Nothing that a model wrote becomes markup: elements are made one by one, and links lead to
// web and mail addresses only. Time is linear in the length: a search that found nothing is not made again.

/** So many runs and brackets may wait for their other half. */
const OPEN = 64
const SPECIAL = /[\\`$*_~[\]!<\nh]/g
const ADDRESS = /https?:\/\/[^\s<>"`]{1,2000}/y
const isSpace = (char) => /\s/.test(char)
const isMark = (char) => /[\p{P}\p{S}]/u.test(char)

/** An element that leads there; `undefined` where that is no web or mail address. */
function anchor(address) {
	const url = URL.canParse(address) ? new URL(address) : undefined
	if (!url || !["http:", "https:", "mailto:"].includes(url.protocol)) return undefined
	return Object.assign(document.createElement("a"), { href: url.href, title: url.href, target: "_blank", rel: "noopener noreferrer" })
}

/** @param {Node} parent @param {string} text */
export function inline(parent, text) {
	/** @type {Node[]} */
	const parts = []
	/** @type {Run[]} */
	const runs = []
	/** @type {Bracket[]} */
	const brackets = []
	const missing = new Set()
	let plain = ""

	function push(node) {
		if (plain) parts.push(document.createTextNode(plain))
		plain = ""
		if (node) parts.push(node)
	}

	function take(from, to) {
		plain += text.slice(from, to)
		return to
	}

	function coded(inside, to, kind = "") {
		push(Object.assign(document.createElement("code"), { className: kind, textContent: inside }))
		return to
	}

	function find(closer, from) {
		const found = missing.has(closer) ? -1 : text.indexOf(closer, from)
		if (found < 0) missing.add(closer)
		return found
	}

	function lineBreak(to) {
		push(document.createElement("br"))
		return to
	}

	function code(at) {
		const begin = at + (/`+/y.exec(text.slice(at))?.[0].length ?? 1)
		const marks = text.slice(at, begin)
		for (let end = find(marks, begin); end >= 0; end = find(marks, end)) {
			let behind = end
			while (text[behind] === "`") behind++
			if (behind === end + marks.length) {
				const inside = text.slice(begin, end).replaceAll("\n", " ")
				return coded(/^ .*[^ ].* $/.test(inside) ? inside.slice(1, -1) : inside, behind)
			}
			end = behind
		}
		missing.add(marks)
		return take(at, begin)
	}

	/** A formula stays as it is written; an amount of money is none. */
	function dollars(at) {
		const marks = text[at + 1] === "$" ? "$$" : "$"
		const begin = at + marks.length
		const end = isSpace(text[begin] ?? " ") ? -1 : find(marks, begin)
		const isFormula = end > begin && (marks === "$$" || !(isSpace(text[end - 1] ?? " ") || /\d/.test(text[end + 1] ?? "")))
		return isFormula ? coded(text.slice(at, end + marks.length), end + marks.length, "formula") : take(at, begin)
	}

	function escaped(at) {
		const next = text[at + 1] ?? ""
		const end = next === "(" ? find("\\)", at + 2) : next === "[" ? find("\\]", at + 2) : -1
		if (end > 0) return coded(text.slice(at, end + 2), end + 2, "formula")
		if (next === "\n") return lineBreak(at + 2)
		return /[!-/:-@[-`{-~]/.test(next) ? take(at + 1, at + 2) : take(at, at + 1)
	}

	/** A run of marks of emphasis, as CommonMark has it. */
	function emphasis(at, char) {
		let end = at
		while (text[end] === char) end++
		let count = end - at
		const [before, after] = [text[at - 1] ?? " ", text[end] ?? " "]
		const left = !isSpace(after) && (!isMark(after) || isSpace(before) || isMark(before))
		const right = !isSpace(before) && (!isMark(before) || isSpace(after) || isMark(after))
		const canOpen = left && (char !== "_" || !right || isMark(before))
		const canClose = right && (char !== "_" || !left || isMark(after))
		const floor = brackets.at(-1)?.runs ?? 0
		push(null)
		while (canClose && count > 0) {
			let found = runs.length - 1
			while (found >= floor && runs[found]?.char !== char) found--
			const opener = found >= floor ? runs[found] : undefined
			if (!opener || (char === "~" && (count < 2 || opener.count < 2))) break
			const used = opener.count > 1 && count > 1 ? 2 : 1
			const made = document.createElement(char === "~" ? "del" : used === 2 ? "strong" : "em")
			made.append(...parts.splice(opener.at + 1))
			parts.push(made)
			runs.length = found + 1
			opener.count -= used
			count -= used
			opener.text.data = char.repeat(opener.count)
			if (opener.count === 0) runs.pop()
		}
		if (count > 0) {
			const rest = document.createTextNode(char.repeat(count))
			parts.push(rest)
			if (canOpen && runs.length < OPEN + floor) runs.push({ char, count, at: parts.length - 1, text: rest })
		}
		return end
	}

	/** The beginning of a link, or of a picture, which is a link here. */
	function open(at, end) {
		push(document.createTextNode(text.slice(at, end)))
		if (brackets.length < OPEN) brackets.push({ at: parts.length - 1, runs: runs.length })
		return end
	}

	function close(at) {
		const bracket = brackets.pop()
		let end = bracket && text[at + 1] === "(" ? find(")", at + 2) : -1
		if (!bracket || end < 0) return take(at, at + 1)
		// An address may have brackets of its own.
		if (text.slice(at + 2, end).includes("(") && text[end + 1] === ")") end++
		const address = text.slice(at + 2, end)
		const made = anchor(address.trim().split(/\s/, 1)[0] ?? "")
		push(null)
		runs.length = Math.min(runs.length, bracket.runs)
		const inside = parts.splice(bracket.at).slice(1)
		if (made) {
			made.append(...(inside.length > 0 ? inside : [address]))
			parts.push(made)
		} else {
			parts.push(document.createTextNode("["), ...inside, document.createTextNode(`](${address})`))
		}
		return end + 1
	}

	function address(at) {
		ADDRESS.lastIndex = at
		let found = /\w/.test(text[at - 1] ?? " ") ? undefined : ADDRESS.exec(text)?.[0].replace(/[.,;:!?*_~'\]]+$/, "")
		if (found?.endsWith(")") && !found.includes("(")) found = found.slice(0, -1)
		const made = found ? anchor(found) : undefined
		if (!made || !found) return take(at, at + 1)
		made.textContent = found
		push(made)
		return at + found.length
	}

	function special(at) {
		const char = text[at] ?? ""
		switch (char) {
			case "\\":
				return escaped(at)
			case "`":
				return code(at)
			case "$":
				return dollars(at)
			case "[":
				return open(at, at + 1)
			case "]":
				return close(at)
			case "!":
				return text[at + 1] === "[" ? open(at, at + 2) : take(at, at + 1)
			case "h":
				return address(at)
			case "<": {
				const tag = /<br *\/?>/iy.exec(text.slice(at, at + 8))
				return tag ? lineBreak(at + tag[0].length) : take(at, at + 1)
			}
			case "\n":
				return plain.endsWith("  ") ? lineBreak(at + 1) : take(at, at + 1)
			default:
				return emphasis(at, char)
		}
	}

	for (let at = 0; at < text.length; ) {
		SPECIAL.lastIndex = at
		const next = SPECIAL.exec(text)?.index ?? text.length
		take(at, next)
		at = next < text.length ? special(next) : next
	}
	push(null)
	for (const part of parts) parent.appendChild(part)
}
