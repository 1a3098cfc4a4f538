// The list of answers: what runs first, then what has ended, by day. Painted at most once per frame.

import { byId, el, facts, isEnded, say, sayState } from "./words.js"

/** The moment that an answer is listed by. @param {Answer} answer */
const moment = (answer) => (isEnded(answer) ? (answer.ended_at ?? answer.created_at) : answer.created_at)

function day(moment) {
	const date = new Date(moment)
	const midnight = new Date().setHours(0, 0, 0, 0)
	if (date.getTime() >= midnight) return "Today"
	if (date.getTime() >= new Date(midnight - 1).setHours(0, 0, 0, 0)) return "Yesterday"
	return date.toLocaleDateString(undefined, { dateStyle: "full" })
}

export class List {
	/** @type {Map<string, Answer>} */
	answers = new Map()
	/** @type {Map<string, HTMLElement>} */
	#rows = new Map()
	/** Those that changed since the last frame. @type {Set<string>} */
	#changed = new Set()
	#isOrdered = true
	#isAsked = false
	#wanted = ""
	#current = ""
	/** @type {HTMLElement} */
	#sections = byId("sections")

	/** @param {(answer: Answer | undefined, id: string) => void} changed Told of each change once it is painted. */
	constructor(changed) {
		this.changed = changed
	}

	/** @param {Answer} answer */
	tell(answer) {
		const known = this.answers.get(answer.id)
		this.answers.set(answer.id, answer)
		this.#isOrdered &&= known !== undefined && moment(known) === moment(answer)
		this.#ask(answer.id)
	}

	removed(id) {
		this.answers.delete(id)
		this.#isOrdered = false
		this.#ask(id)
	}

	only(ids) {
		for (const id of [...this.answers.keys()]) if (!ids.has(id)) this.removed(id)
	}

	/** Shows those that have this in their name, question or model. */
	search(text) {
		this.#wanted = text.trim().toLowerCase()
		this.#isOrdered = false
		this.#ask()
	}

	select(id) {
		this.#rows.get(this.#current)?.firstElementChild?.removeAttribute("aria-current")
		this.#rows.get(id)?.firstElementChild?.setAttribute("aria-current", "page")
		this.#current = id
	}

	#ask(id = "") {
		if (id) this.#changed.add(id)
		if (!this.#isAsked) requestAnimationFrame(() => this.#paint())
		this.#isAsked = true
	}

	#paint() {
		this.#isAsked = false
		for (const id of this.#changed) {
			const answer = this.answers.get(id)
			if (answer) this.#row(answer)
			else this.#rows.delete(id)
			this.changed(answer, id)
		}
		this.#changed.clear()
		if (!this.#isOrdered) this.#order()
		this.#isOrdered = true
	}

	#row(answer) {
		let row = this.#rows.get(answer.id)
		if (!row) {
			const parts = [el("bdi", { class: "name" }), el("span", { class: "state" }), el("span", { class: "question", dir: "auto" }), el("span", { class: "facts" })]
			row = el("li", {}, el("a", { href: `#/answer/${answer.id}` }, ...parts))
			this.#rows.set(answer.id, row)
			if (answer.id === this.#current) this.select(answer.id)
		}
		/** @type {any} */
		const [name, state, question, told] = row.querySelectorAll("a > *")
		say(name, answer.name)
		sayState(state, answer)
		say(question, (answer.question ?? "").slice(0, 200))
		say(told, facts(answer))
	}

	/** Puts every row where it belongs; those that are there are not touched. */
	#order() {
		const isWanted = (/** @type {Answer} */ { name, question, model }) => `${name}\n${question ?? ""}\n${model ?? ""}`.toLowerCase().includes(this.#wanted)
		const rank = (answer) => (isEnded(answer) ? "" : "~") + moment(answer)
		/** @type {Map<string, HTMLElement[]>} */
		const groups = new Map()
		for (const answer of [...this.answers.values()].filter(isWanted).sort((a, b) => (rank(a) < rank(b) ? 1 : -1))) {
			const title = isEnded(answer) ? day(moment(answer)) : "Running"
			const rows = groups.get(title) ?? []
			rows.push(/** @type {HTMLElement} */ (this.#rows.get(answer.id)))
			groups.set(title, rows)
		}
		const sections = [...this.#sections.querySelectorAll("section")]
		const shown = [...groups].map(([title, rows]) => {
			const known = sections.find((section) => section.dataset.title === title)
			const section = known ?? el("section", { "data-title": title }, el("h2", {}, title), el("ul"))
			placed(section.querySelector("ul"), rows)
			return section
		})
		const none = this.answers.size === 0 ? "There are no answers yet." : "No answer has this."
		placed(this.#sections, shown.length > 0 ? shown : [el("p", { class: "none" }, none)])
	}
}

/** Makes these the children of `parent`, moving only what has to. */
function placed(parent, wanted) {
	const keep = new Set(wanted)
	for (const child of [...parent.children]) if (!keep.has(child)) child.remove()
	let at = parent.firstElementChild
	for (const child of wanted) {
		if (child === at) at = at.nextElementSibling
		else parent.insertBefore(child, at)
	}
}
