// The list of answers: running ones, ended ones by day, and conversations of the history.

import { get } from "./relay.js"
import { byId, el, facts, isEnded, perFrame, say, sayState } from "./words.js"

/** The time by which it is sorted. @param {Answer} answer */
const moment = (answer) => new Date(isEnded(answer) ? (answer.ended_at ?? answer.created_at) : answer.created_at)

/** The heading under which it is listed. @param {Answer} answer */
function title(answer) {
	if (!isEnded(answer)) return "Running"
	const days = Math.round((new Date().setHours(0, 0, 0, 0) - moment(answer).setHours(0, 0, 0, 0)) / 864e5)
	return ["Today", "Yesterday"][days] ?? moment(answer).toLocaleDateString(undefined, { dateStyle: "full" })
}

/** The text that is searched. @param {Answer} answer */
const words = ({ name, question, model }) => `${name}\n${question ?? ""}\n${model ?? ""}`.toLowerCase()

export class List {
	/** @type {Map<string, Answer>} */
	answers = new Map()
	/** The conversations of the history that match the search. @type {Conversation[]} */
	#past = []
	/** Rows by the address that they show. @type {Map<string, HTMLElement>} */
	#rows = new Map()
	/** The ids that changed since the last frame. @type {Set<string>} */
	#changed = new Set()
	#isOrdered = true
	#toPaint = perFrame(() => this.paint())
	#wanted = ""
	#current = ""
	#sections = byId("sections")

	/** @param {(answer: Answer | undefined, id: string) => void} changed Called for each change after it is painted. */
	constructor(changed) {
		this.changed = changed
	}

	/** @param {Answer} answer */
	update(answer) {
		const known = this.answers.get(answer.id)
		this.answers.set(answer.id, answer)
		this.#ask(known !== undefined && +moment(known) === +moment(answer), answer.id)
	}

	removed(id = "") {
		this.answers.delete(id)
		this.#ask(false, id)
	}

	/** @param {Set<string>} ids */
	only(ids) {
		for (const id of [...this.answers.keys()]) if (!ids.has(id)) this.removed(id)
	}

	connected(is = true) {
		const line = byId("line")
		if (is && this.answers.size === 0) this.#ask(false)
		line.hidden = is
		say(line, is ? "" : "The relay is out of reach. Its answers continue.")
	}

	/** Shows the answers with this text in name, question or model, and conversations with it anywhere. */
	async search(text = "") {
		this.#wanted = text.trim().toLowerCase()
		this.#ask(false)
		const { conversations } = await get(`/towline/v1/history?search=${encodeURIComponent(text)}`)
		if (this.#wanted !== text.trim().toLowerCase()) return
		this.#past = conversations
		this.#ask(false)
	}

	/** Marks the row that is shown beside the list. */
	select(address = "") {
		this.#rows.get(this.#current)?.firstElementChild?.removeAttribute("aria-current")
		this.#rows.get(address)?.firstElementChild?.setAttribute("aria-current", "page")
		this.#current = address
	}

	/** The answers of the same conversation, oldest first. @param {Answer} answer */
	thread({ conversation }) {
		const all = [...this.answers.values()].filter((one) => conversation && one.conversation === conversation)
		return all.sort((a, b) => (a.created_at < b.created_at ? -1 : 1))
	}

	#ask(isOrdered = true, id = "") {
		this.#isOrdered &&= isOrdered
		if (id) this.#changed.add(id)
		this.#toPaint()
	}

	/** Paints the changes. */
	paint() {
		for (const id of this.#changed) {
			const answer = this.answers.get(id)
			if (answer) this.#row(`#/answer/${id}`, answer, facts(answer))
			else this.#rows.delete(`#/answer/${id}`)
			this.changed(answer, id)
		}
		this.#changed.clear()
		if (!this.#isOrdered) this.#order()
		this.#isOrdered = true
	}

	/** @param {Shown} shown */
	#row(address = "", shown, details = "") {
		const parts = [el("bdi", { class: "name" }), el("span", { class: "state" }), el("span", { class: "question", dir: "auto" }), el("span", { class: "facts" })]
		const row = this.#rows.get(address) ?? el("li", {}, el("a", { href: address }, ...parts))
		this.#rows.set(address, row)
		if (address === this.#current) this.select(address)
		/** @type {any} */
		const [name, state, question, last] = row.querySelectorAll("a > *")
		say(name, shown.name)
		sayState(state, shown.state)
		say(question, (shown.question ?? "").slice(0, 200))
		say(last, details)
		return row
	}

	/** Puts every row in its place. */
	#order() {
		/** @type {Map<string, HTMLElement[]>} */
		const groups = new Map()
		/** @param {string} title @param {HTMLElement} [row] */
		const put = (title, row) => {
			if (!groups.has(title)) groups.set(title, [])
			if (row) groups.get(title)?.push(row)
		}
		const wanted = [...this.answers.values()].filter((answer) => words(answer).includes(this.#wanted))
		const rank = (/** @type {Answer} */ answer) => +moment(answer) + (isEnded(answer) ? 0 : 1e15)
		for (const answer of wanted.sort((a, b) => rank(b) - rank(a))) put(title(answer), this.#rows.get(`#/answer/${answer.id}`))
		const listed = new Set(wanted.map(({ conversation }) => conversation))
		for (const { id, title, around, model, turns, updated_at, ...past } of this.#past.filter(({ id }) => !listed.has(id))) {
			const details = [model, `${turns} ${turns === 1 ? "question" : "questions"}`, new Date(updated_at).toLocaleDateString()]
			put("History", this.#row(`#/history/${id}`, { ...past, state: "", question: around ?? title }, details.filter(Boolean).join(" · ")))
		}
		const sections = [...this.#sections.querySelectorAll("section")]
		const shown = [...groups].map(([title, rows]) => {
			const section = sections.find((section) => section.dataset.title === title) ?? el("section", { "data-title": title }, el("h2", {}, title), el("ul"))
			placed(section.lastElementChild, rows)
			return section
		})
		const none = this.#wanted ? "No answer matches." : "There are no answers yet."
		placed(this.#sections, shown.length > 0 ? shown : [el("p", { class: "none" }, none)])
	}
}

/** Makes these the children of `parent`, with as few moves as possible. @type {Place} */
function placed(parent, wanted) {
	const keep = new Set(wanted)
	for (const child of [...(parent?.children ?? [])]) if (!keep.has(child)) child.remove()
	let at = parent?.firstElementChild ?? null
	for (const child of wanted) {
		if (child === at) at = at.nextElementSibling
		else parent?.insertBefore(child, at)
	}
}
