// One answer: read live from its stream, with its controls.

import { canContinue, composer } from "./ask.js"
import { Paper } from "./paper.js"
import { Records } from "./records.js"
import { call, get, order, read } from "./relay.js"
import { ask, copy, el, ending, facts, isEnded, notice, perFrame, say, sayState } from "./words.js"

/** The distance from the end within which an answer is followed, in pixels. */
const NEAR = 48
/** The maximum number of bytes of a stream for one frame. */
const FRAME_BYTES = 1 << 17

/** An article, which the page shows beside the list. @param {string} title @param {Node[]} inside */
export function article(title, ...inside) {
	const back = el("a", { class: "button back", href: "#/", "aria-label": "Back to the answers" }, "‹")
	return el("article", {}, el("header", {}, back, el("h2", { tabindex: "-1" }, el("bdi", {}, title))), ...inside)
}

/** A question. */
const asked = (text = "") => el("p", { class: "asked", dir: "auto" }, text)

/** The model's thinking, folded. */
const thought = (text = "") => el("details", { class: "thinking", hidden: text === "" }, el("summary", {}, "Thinking"), el("div", { class: "thought", dir: "auto" }, text))

/** A conversation of the history. @param {{title: string, turns: Turn[]}} conversation */
export function conversation({ title, turns }) {
	const shown = turns.flatMap(({ question, thinking, text }) => {
		const body = el("div", { class: "paper" })
		const paper = new Paper(body)
		paper.add(text)
		const paint = () => (paper.paint() ? paper.end() : requestAnimationFrame(paint))
		paint()
		return [asked(question), thought(thinking), body]
	})
	return article(title, ...shown)
}

export class Reader {
	text = ""
	#stop = new AbortController()
	#ask = perFrame(() => this.#paint())
	#isFollowing = true
	#top = 0
	#isRead = false
	#isOver = false
	#state = el("span", { class: "state" })
	#facts = el("p", { class: "facts" })
	#question = asked()
	#buttons = el("div", { class: "buttons", role: "toolbar", "aria-label": "Control" })
	#thought = thought()
	#body = el("div", { class: "paper" })
	#line = el("p", { class: "line", role: "status" })
	#ending = el("p", { class: "ending", role: "status" })
	#more = el("div")
	#newest = el("button", { class: "newest", hidden: true, click: () => this.#follow() }, "↓ Newest")
	#records = new Records()
	#paper = new Paper(this.#body)
	/** The bytes since the last frame. @type {Uint8Array[]} */
	#pieces = []

	/** `root` is also the element that scrolls. @param {HTMLElement} root @param {Answer} answer @param {() => Answer[]} thread */
	constructor(root, answer, thread) {
		this.root = root
		this.answer = answer
		this.thread = thread
		const shown = article(answer.name, this.#facts, this.#question, this.#thought, this.#body, this.#ending, this.#line, this.#buttons, this.#more)
		shown.querySelector("header")?.append(this.#state)
		root.replaceChildren(shown, this.#newest)
		root.scrollTop = 0
		root.addEventListener("scroll", () => this.#scrolled(), { passive: true, signal: this.#stop.signal })
		new ResizeObserver(() => this.#isFollowing && !this.#isOver && this.#follow()).observe(shown)
		this.again()
		this.#makeButtons()
		this.update(answer)
		read(answer.id, this, this.#stop.signal)
	}

	close() {
		this.#stop.abort()
	}

	again() {
		this.#body.textContent = this.text = ""
		this.#thought.lastElementChild?.replaceChildren()
		this.#pieces = []
		this.#records = new Records(this.answer.content_type)
		this.#paper = new Paper(this.#body)
	}

	/** @param {Uint8Array} piece */
	bytes(piece) {
		for (let at = 0; at < piece.length; at += FRAME_BYTES) this.#pieces.push(piece.subarray(at, at + FRAME_BYTES))
		this.#ask()
	}

	async end() {
		this.#isRead = true
		this.#ask()
		if (!this.#isOver) await get(`/towline/v1/jobs/${this.answer.id}`).then((answer) => this.update(answer), () => {})
	}

	gone(why = "") {
		say(this.#line, why)
	}

	connected(is = true) {
		say(this.#line, is ? "" : "The relay is out of reach. The answer continues there.")
	}

	#paint() {
		if (this.#stop.signal.aborted) return
		/** @type {Part[]} */
		const parts = []
		for (let bytes = 0, piece; bytes < FRAME_BYTES && (piece = this.#pieces.shift()); bytes += piece.length) parts.push(...this.#records.push(piece))
		const isLast = this.#isRead && this.#pieces.length === 0
		if (isLast) parts.push(...this.#records.end())
		let thinking = ""
		for (const { kind, text } of parts) {
			if (kind === "text") {
				this.text += text
				this.#paper.add(text)
			} else if (kind === "thinking") thinking += text
			else say(this.#line, text)
		}
		if (thinking) this.#thought.hidden = false
		this.#thought.lastElementChild?.append(thinking)
		if (!this.#paper.paint() || this.#pieces.length > 0) this.#ask()
		else if (isLast) this.#paper.end()
	}

	#scrolled() {
		const { scrollHeight, clientHeight, scrollTop } = this.root
		// Only the user scrolls back; growing text does not.
		if (scrollHeight - clientHeight - scrollTop < NEAR) this.#isFollowing = true
		else if (scrollTop < this.#top) this.#isFollowing = false
		this.#top = scrollTop
		this.#newest.hidden = this.#isFollowing || this.#isOver
	}

	#follow() {
		this.root.scrollTop = this.root.scrollHeight
		this.#scrolled()
	}

	/** @param {Answer} answer */
	update(answer) {
		this.answer = answer
		const wasOver = this.#isOver
		this.#isOver = isEnded(answer)
		say(/** @type {Node} */ (this.root.querySelector("h2 bdi")), answer.name)
		sayState(this.#state, answer.state)
		say(this.#facts, facts(answer))
		say(this.#question, answer.question ?? "")
		const states = ["always", this.#isOver ? "ended" : answer.state === "paused" ? "running paused" : "running reading", answer.has_request ? "kept" : ""].join(" ")
		for (const button of this.#buttons.querySelectorAll("button")) button.hidden = !states.includes(button.dataset.when ?? "")
		if (!this.#isOver) return
		this.#newest.hidden = true
		say(this.#ending, ending(answer))
		this.#ending.dataset.state = answer.state
		if (!wasOver) this.#offerMore()
	}

	#offerMore() {
		const links = this.thread().map(({ id, question, name }) => el("li", {}, el("a", { href: `#/answer/${id}`, "aria-current": id === this.answer.id && "page" }, question ?? name)))
		if (links.length > 1) this.#more.append(el("nav", { "aria-label": "Conversation", class: "thread" }, el("h3", {}, "Conversation"), el("ol", {}, ...links)))
		if (canContinue(this.answer)) this.#more.append(composer({ answer: this.answer, text: () => this.text }))
	}

	#makeButtons() {
		/** @type {AddButton} */
		const add = (name, when, does) => {
			const click = async () => {
				button.disabled = true
				await does(button).catch(notice)
				button.disabled = false
			}
			const button = el("button", { "data-when": when, click }, name)
			this.#buttons.append(button)
			return button
		}
		/** @param {string} name @param {object} [body] */
		const command = async (name, body) => this.update(await order(this.answer.id, name, body))
		add("Stop", "running", () => command("cancel", { reason: "from the page" })).classList.add("stop")
		add("Pause", "reading", () => command("pause"))
		add("Unpause", "paused", () => command("unpause"))
		add("+5 min", "running", () => command("deadline", this.answer.deadline_s == null ? { in_s: 300 } : { extend_s: 300 }))
		add("No limit", "running", () => command("deadline", { none: true }))
		add("Copy", "always", (button) => copy(this.text, button))
		add("Retry", "kept", async () => (location.hash = `#/answer/${(await order(this.answer.id, "retry")).id}`))
		add("Rename", "always", async () => {
			const name = await ask({ title: "Rename the answer", yes: "Rename", value: this.answer.name })
			if (name !== null) await command("rename", { name })
		})
		add("Forget", "ended", async () => {
			const text = `“${this.answer.name}” and its record are deleted. This cannot be undone.`
			if ((await ask({ title: "Forget the answer?", text, yes: "Forget" })) === null) return
			await call("DELETE", `/towline/v1/jobs/${this.answer.id}`)
			location.hash = "#/"
		})
	}
}
