// The page's texts and elements.

/** The states in which an answer has ended, and what they mean. @type {Record<string, string>} */
const ENDINGS = {
	completed: "The answer is complete.",
	truncated: "The model server stopped before the answer was complete.",
	cancelled: "The answer was cancelled.",
	timed_out: "The answer ran into its time limit.",
	failed: "The answer failed.",
	interrupted: "The relay ended while the answer ran.",
}

/** @param {Answer} answer */
export const isEnded = ({ state }) => state in ENDINGS

/** @param {Answer} answer */
export const ending = ({ state, cause }) => ENDINGS[state] + (cause ? ` (${cause})` : "")

function span(seconds = 0) {
	const s = Math.round(seconds)
	if (s < 60) return `${s} s`
	if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
	return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

/** The details besides the name, in one line. @param {Answer} answer */
export function facts(answer) {
	const over = isEnded(answer)
	const silent = answer.since_last_s ?? 0
	return [
		answer.upstream ? `${answer.model}@${answer.upstream}` : answer.model,
		answer.tokens != null && `${answer.tokens} tokens`,
		answer.tokens_per_second != null && `${answer.tokens_per_second} tokens/s`,
		!over && answer.deadline_s != null && `${span(answer.deadline_s)} left`,
		answer.state === "streaming" && silent > 10 && `stalled for ${span(silent)}`,
		over && span(answer.age_s),
	].filter(Boolean).join(" · ")
}

/** Sets the state's word and colour. @param {HTMLElement} shown */
export function sayState(shown, state = "") {
	say(shown, state.replace("_", " "))
	if (shown.dataset.state !== state) shown.dataset.state = state
}

/** An element. Texts become text, never markup; functions become listeners. @type {MakeElement} */
export function el(tag, attributes = {}, ...children) {
	const made = document.createElement(tag)
	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === "function") made.addEventListener(name, value)
		else if (value !== false) made.setAttribute(name, value === true ? "" : value)
	}
	made.append(...children)
	return made
}

/** Runs `paint` in the next frame, once for any number of calls. @param {() => void} paint */
export function perFrame(paint) {
	let isAsked = false
	return () => {
		if (!isAsked) requestAnimationFrame(() => {
			isAsked = false
			paint()
		})
		isAsked = true
	}
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id)

/** The element of a change. @param {Node} node */
export function say(node, text = "") {
	if (node.textContent !== text) node.textContent = text
}

let hiding = 0

/** @param {unknown} what */
export function notice(what) {
	const shown = byId("notice")
	shown.textContent = what instanceof Error ? what.message : String(what)
	shown.hidden = false
	clearTimeout(hiding)
	hiding = setTimeout(() => (shown.hidden = true), 6000)
}

/** Asks for confirmation, or with `value` for a text. `null` if it was cancelled. @type {AskUser} */
export function ask({ title, text = "", yes, value }) {
	const dialog = byId("dialog")
	const input = dialog.querySelector("input")
	say(byId("dialog-title"), title)
	say(byId("dialog-text"), text)
	say(byId("dialog-yes"), yes)
	input.required = value !== undefined
	input.parentElement.hidden = !input.required
	input.value = value ?? ""
	dialog.returnValue = "no"
	dialog.showModal()
	input.select()
	return new Promise((resolve) => (dialog.onclose = () => resolve(dialog.returnValue === "yes" ? input.value : null)))
}

/** @param {string} text @param {HTMLElement} button */
export async function copy(text, button) {
	const isCopied = await navigator.clipboard.writeText(text).then(() => true, () => false)
	if (!isCopied) return notice("The browser does not let this page use the clipboard.")
	button.textContent = "Copied"
	setTimeout(() => (button.textContent = "Copy"), 1500)
}
